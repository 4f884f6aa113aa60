-- Let a dead letter try again, if it may still be sent. One that no worker could open waits anyway: at once.
-- ARGV: id
-- Returns its queue, or '' if it cannot be sent any more.
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
