-- How a message changes its state.
--- @include "no_dead_letter"
--- @include "put"
--- @include "due_at"
--- @include "waits_no_more"

-- Take a message to another state, with other fields of its record. wait: ms until it is due again; nil settles it.
local function enter(now, id, record, state, wait, fields)
  local record_key = RECORD .. id
  fields.state = state
  put(record_key, fields)
  if not wait then
    waits_no_more(id, record_key, record.queue)
    return
  end
  if fields.turn == '' then
    leave_line(record_key, id)
  end
  due_at(id, record_key, record.queue, now + wait)
end

-- A code that an alias could not deliver goes to another, if it lives, is wanted, and was handed over once in all.
-- Returns whether it does.
local function redirect(now, id, record, unknowns, undelivered)
  local is_code = record.resend_unknown == '1'
  local has_other = string.find(record.hops or '', ',', 1, true)
  if not is_code or not has_other or record.unwanted or record.redirected or unknowns > 0 then
    return false
  end
  if now >= tonumber(record.expires_at) or redis.call('EXISTS', BODY .. id) == 0 then
    return false
  end
  enter(now, id, record, 'queued', 0, {
    redirected = 1,
    avoid = undelivered,
    alias = '',
    provider_message_id = '',
    error = 'undelivered',
  })
  return true
end
