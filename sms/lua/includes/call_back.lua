--- @include "record"
--- @include "waits_no_more"
-- Call a message back: nobody wants it any more. Returns its record if it will not be sent, else nil.
local function call_back(id)
  local record = RECORD .. id
  local state, queue, unknowns, error =
    unpack(redis.call('HMGET', record, 'state', 'queue', 'unknowns', 'error'))
  if state == 'sending' then
    redis.call('HSET', record, 'unwanted', 1) -- too late for this attempt, but it is the last
  elseif state == 'sent' or state == 'failed' then
    redis.call('DEL', BODY .. id) -- nor goes it to another alias if it is undelivered, nor is it replayed
  end
  if state ~= 'queued' then
    return nil
  end
  -- An earlier attempt may have worked; then only a receipt can say that nothing was sent.
  redis.call('HSET', record, 'state', unknowns == '0' and 'cancelled' or 'unknown')
  if error == 'unsealable' then
    redis.call('HSET', record, 'error', '')
    redis.call('ZREM', DEAD, id)
  end
  redis.call('DEL', BODY .. id)
  waits_no_more(id, record, queue)
  return read(record)
end
