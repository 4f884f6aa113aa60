-- Call a message back: nobody wants it any more. Returns its record if it will not be sent, else nil.
--- @include "record"
--- @include "no_dead_letter"
--- @include "waits_no_more"

local function call_back(id)
  local record_key = RECORD .. id
  local record = read(record_key)
  local state = record.state
  if state == 'sending' then
    redis.call('HSET', record_key, 'unwanted', 1) -- too late for this attempt, but it is the last
  elseif state == 'sent' or state == 'failed' then
    redis.call('DEL', BODY .. id) -- nor goes it to another alias if it is undelivered, nor is it replayed
  end
  if state ~= 'queued' then
    return nil
  end
  -- An earlier attempt may have worked; then only a receipt can say that nothing was sent.
  redis.call('HSET', record_key, 'state', record.unknowns == '0' and 'cancelled' or 'unknown')
  redis.call('DEL', BODY .. id)
  no_dead_letter(id, record)
  waits_no_more(id, record_key, record.queue)
  return read(record_key)
end
