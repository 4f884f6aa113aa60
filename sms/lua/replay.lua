-- Let a dead letter try again, if it may still be sent. One that no worker could open waits anyway: at once.
-- KEYS: record, body, dead letters.  ARGV: id, prefix of the lease keys
-- Returns its queue, or '' if it cannot be sent any more.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREM', KEYS[3], ARGV[1])
local record = redis.call('HMGET', KEYS[1], 'state', 'expires_at', 'queue', 'unwanted', 'error')
local waits = record[1] == 'failed' or record[1] == 'queued' and record[5] == 'unsealable'
if not waits or record[4] or now >= tonumber(record[2]) or redis.call('EXISTS', KEYS[2]) == 0 then
  return ''
end
redis.call('HSET', KEYS[1], 'state', 'queued', 'rounds', 0, 'not_before', now)
redis.call('ZADD', ARGV[2] .. record[3], now, ARGV[1])
return record[3]
