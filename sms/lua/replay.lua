-- Let a dead letter try again, if it may still be sent. One that no worker could open waits anyway: at once.
-- KEYS: record, body, dead letters
-- ARGV: id
-- Returns its queue, or '' if it cannot be sent any more.
--- @include "clock"
--- @include "record"
--- @include "due_at"
local record_key, body_key, dead_key = KEYS[1], KEYS[2], KEYS[3]
local id = ARGV[1]

local now = clock()
redis.call('ZREM', dead_key, id)
local record = read(record_key)
local is_waiting = record.state == 'queued' and record.error == 'unsealable'
if not is_waiting and record.state ~= 'failed' then
  return ''
end
if record.unwanted or now >= tonumber(record.expires_at) or redis.call('EXISTS', body_key) == 0 then
  return ''
end
redis.call('HSET', record_key, 'state', 'queued', 'rounds', 0)
due_at(id, record_key, record.queue, now)
return record.queue
