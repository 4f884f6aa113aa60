-- How a message changes its state.
--- @include "line"
--- @include "put"

-- Whether it goes to another alias if it is undelivered: a wanted code, that was handed over once in all.
local function may_go_on(record)
  local has_other = string.find(record.hops or '', ',', 1, true)
  local once = not record.redirected and tonumber(record.unknowns) == 0
  return record.resend_unknown == '1' and has_other and once and not record.unwanted
end

-- Take a message to another state, with other fields of its record. due: when it may be claimed again (ms). Without, it
-- waits for nothing any more, and its text is erased unless keeps_text or it may go on.
local function enter(id, record, state, due, fields, keeps_text)
  local record_key, queue = RECORD .. id, record.queue
  fields.state, fields.not_before = state, due
  if record.unwanted and fields.error == 'unsealable' then
    fields.error = nil -- that is why it waited, not how it ended
  end
  if record.error == 'unsealable' and fields.error ~= record.error then
    fields.error = fields.error or '' -- a worker could open it after all, or it is called back
    redis.call('ZREM', DEAD, id)
  end
  put(record_key, fields)
  if not due or fields.turn == '' then
    leave_line(record_key, id)
  end
  if due then
    redis.call('ZADD', LEASES .. queue, due, id)
    return
  end
  redis.call('ZREM', LEASES .. queue, id)
  redis.call('ZREM', WAITING .. queue, id)
  local is_open = state == 'sent' or state == 'unknown' -- a receipt may say more
  if not keeps_text and not (is_open and may_go_on(record)) then
    redis.call('DEL', BODY .. id)
  end
end
