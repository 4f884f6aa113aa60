-- Change the state of a message.
--- @include "channel"
--- @include "line"
--- @include "put"
--- @include "states"
--- @include "story"
--- @include "event"

-- Tell whether an undelivered message may go to another alias: a code that is still wanted and was handed over once.
local function may_go_on(record)
  local has_other = string.find(record.hops or '', ',', 1, true)
  local once = not record.redirected and tonumber(record.unknowns) == 0
  return record.resend_unknown == '1' and has_other and once and not record.unwanted
end

-- Send an event to WEBHOOKS when a message reaches fields.state.
local function tell_message(now, id, record, fields)
  if EVENTS == '' then
    return
  end
  local state = fields.state
  local what = state == 'expired' and 'failed' or state -- a code that expired has not reached its user either
  tell_event(now, 'message.' .. what, id .. '_' .. now, {
    message_id = id,
    verification_id = record.verification_id,
    purpose = record.purpose,
    reference = record.reference,
    state = state,
    fault = what == 'failed' and (fields.fault or record.fault or (state == 'expired' and 'expired')) or '',
    country = record.country,
    channel = channel_of(record),
    alias = fields.alias or record.alias,
  })
end

-- Move a message to a state and set fields of its record.
-- due: when it may be claimed again (ms). Nil: it is settled, and its text is erased unless a redirect may need it.
-- keeps_text: true: keep the text in any case
local function enter(now, id, record, state, due, fields, keeps_text)
  local record_key, queue = RECORD .. id, record.queue
  fields.state, fields.not_before = state, due
  if record.unwanted and fields.error == 'unsealable' then
    fields.error = nil -- the reason why it waited, not how it ended
  end
  if record.error == 'unsealable' and fields.error ~= record.error then
    fields.error = fields.error or '' -- a worker could open it after all, or it was recalled
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
  local alias = fields.alias or record.alias or ''
  local is_sent_anew = state == 'sent' and record.redirected -- by another alias: the code counted as sent before
  count_state(now, state, alias, record.country or '', queue, not is_sent_anew and record.purpose or '')
  if state == 'failed' and record.verification_id then
    redis.call('ZADD', NEXT_CHANNEL, 'XX', now, record.verification_id) -- another channel can go at once
  end
  if state ~= 'sent' and state ~= 'delivered' then -- the steps of calls and receipts tell those two
    tell_story(now, id, state, alias, 0, fields.error or record.error or '')
  end
  tell_message(now, id, record, fields)
  local is_open = state == 'sent' or state == 'unknown' -- a receipt may say more
  if not keeps_text and not (is_open and may_go_on(record)) then
    redis.call('DEL', BODY .. id)
  end
end
