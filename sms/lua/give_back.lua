-- Give back a message that this worker cannot open: it waits for one that can, with all that it had.
-- KEYS: record, leases, waiting, dead letters
-- ARGV: id, attempt, least and longest ms until it is tried again, ms for which it counts as no backlog
--       beyond that, ms that dead letters are kept
-- Returns ms until it is tried again (-1 if that is not this worker's business any more), 1 if it is the first
-- time that nobody could open it.
local record_key, leases, waiting, dead = unpack(KEYS)
local id, attempt = ARGV[1], ARGV[2]
local least, longest, spared, kept = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local AGE = 8 -- it is tried again after this part of its age, so that many of them keep no worker busy

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call('HMGET', record_key, 'state', 'attempts', 'unwanted', 'created_at', 'error')
local state, newest, unwanted, created_at, error = unpack(record)
if state ~= 'sending' or newest ~= attempt then
  return {-1, 0}
end
if unwanted then -- the next claim ends it
  redis.call('HSET', record_key, 'lease_until', now)
  redis.call('ZADD', leases, now, id)
  return {-1, 0}
end
local wait = math.min(math.max(math.floor((now - created_at) / AGE), least), longest)
-- No provider was asked. The number of the attempt may be used again, as this worker is done with it.
redis.call('HINCRBY', record_key, 'attempts', -1)
redis.call('HSET', record_key, 'state', 'queued', 'error', 'unsealable', 'not_before', now + wait)
redis.call('ZADD', leases, now + wait, id)
redis.call('ZADD', waiting, 'XX', now + wait + spared, id)
redis.call('ZADD', dead, now, id)
redis.call('ZREMRANGEBYSCORE', dead, '-inf', now - kept)
redis.call('PEXPIRE', dead, kept)
return {wait, error == 'unsealable' and 0 or 1}
