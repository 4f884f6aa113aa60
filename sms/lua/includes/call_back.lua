-- Recall a message that is not wanted any more. Returns its record if it will not be sent, else nil.
-- why:
--   'typed'   its code was just accepted; tell a vendor that learns from this
--   'dead'    its code cannot be used any more; let the vendor take it back, if it can
--   nil       its code may live on in another message
--- @include "record"
--- @include "enter"
--- @include "learn_conversion"
--- @include "timed"
--- @include "revoke"
local function call_back(now, id, why)
  local record = read(RECORD .. id)
  local state, typed = record.state, why == 'typed'
  if typed and state then
    local alias = record.alias or ''
    tally(now, 'counts', { 'verified|' .. alias .. '|' .. (record.country or ''), 1 })
    timed(now, 'to_verified', alias, now - record.created_at)
    if state ~= 'sending' and record.sent_at then -- sending: counted when the call ends
      learn_conversion(record, 'typed', alias, record.sent_at)
    end
  end
  if typed and (record.feedback or state == 'sending') then -- sending: noted when the call ends
    redis.call('HSET', RECORD .. id, 'converted', 1)
    redis.call('ZADD', FEEDBACK .. (record.alias or ''), 'XX', now, id)
  end
  if state == 'sending' then
    redis.call('HSET', RECORD .. id, 'unwanted', 1) -- too late for this attempt, but it is the last
  elseif state == 'sent' or state == 'failed' then
    redis.call('DEL', BODY .. id) -- neither redirect it if undelivered, nor replay it
  end
  if why == 'dead' or typed then
    revoke(now, id, typed)
  end
  if state ~= 'queued' then
    return nil
  end
  -- An earlier attempt may have worked. Then only a receipt can tell that nothing was sent.
  enter(now, id, record, record.unknowns == '0' and 'cancelled' or 'unknown', nil, {})
  return read(RECORD .. id)
end
