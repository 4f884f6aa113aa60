-- Call a message back: nobody wants it any more. Returns its record if it will not be sent, else nil.
-- why: 'typed' if its code was accepted just now, of which a vendor that learns from it is told; 'dead' if nobody can use
-- it, so that a vendor that can takes it back; nil if the code may live on in another message.
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
    if state ~= 'sending' and record.sent_at then -- sending: that is counted when the call has ended
      learn_conversion(record, 'typed', alias, record.sent_at)
    end
  end
  if typed and (record.feedback or state == 'sending') then -- sending: that is noted when the call has ended
    redis.call('HSET', RECORD .. id, 'converted', 1)
    redis.call('ZADD', FEEDBACK .. (record.alias or ''), 'XX', now, id)
  end
  if state == 'sending' then
    redis.call('HSET', RECORD .. id, 'unwanted', 1) -- too late for this attempt, but it is the last
  elseif state == 'sent' or state == 'failed' then
    redis.call('DEL', BODY .. id) -- nor goes it to another alias if it is undelivered, nor is it replayed
  end
  if why == 'dead' or typed then
    revoke(now, id, typed)
  end
  if state ~= 'queued' then
    return nil
  end
  -- An earlier attempt may have worked; then only a receipt can say that nothing was sent.
  enter(now, id, record, record.unknowns == '0' and 'cancelled' or 'unknown', nil, {})
  return read(RECORD .. id)
end
