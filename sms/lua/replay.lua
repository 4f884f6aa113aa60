-- Queue a dead letter again, if it may still be sent. A message that no worker could open is waiting already, and
-- becomes due at once.
-- ARGV: id
-- Returns its queue; '' if it cannot be sent any more
--- @include "clock"
--- @include "record"
--- @include "enter"
local id = ARGV[1]

local now, record = clock(), read(RECORD .. id)
redis.call('ZREM', DEAD, id)
local is_waiting = record.state == 'queued' and record.error == 'unsealable'
if not is_waiting and record.state ~= 'failed' then
  return ''
end
if record.unwanted or now >= tonumber(record.expires_at) or redis.call('EXISTS', BODY .. id) == 0 then
  return ''
end
enter(now, id, record, 'queued', now, { rounds = 0, error = record.error })
return record.queue
