-- Call a message back: nobody wants it any more. Returns its record if it will not be sent, else nil.
--- @include "record"
--- @include "enter"
local function call_back(id)
  local record = read(RECORD .. id)
  local state = record.state
  if state == 'sending' then
    redis.call('HSET', RECORD .. id, 'unwanted', 1) -- too late for this attempt, but it is the last
  elseif state == 'sent' or state == 'failed' then
    redis.call('DEL', BODY .. id) -- nor goes it to another alias if it is undelivered, nor is it replayed
  end
  if state ~= 'queued' then
    return nil
  end
  -- An earlier attempt may have worked; then only a receipt can say that nothing was sent.
  enter(id, record, record.unknowns == '0' and 'cancelled' or 'unknown', nil, {})
  return read(RECORD .. id)
end
