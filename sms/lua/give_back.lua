-- Give back a message that this worker cannot open: it waits for one that can, with all that it had.
-- KEYS: record, dead letters
-- ARGV: 1 = args: id, attempt, least and most (ms until it is tried again), spared (ms for which it counts as no
--       backlog beyond that), kept (ms that dead letters are)
-- Returns ms until it is tried again (-1 if that is not this worker's business any more), 1 if it is the first
-- time that nobody could open it.
--- @include "clock"
--- @include "record"
--- @include "due_at"
--- @include "line"
local record_key, dead_key = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
local AGE = 8 -- it is tried again after this part of its age, so that many of them keep no worker busy

local now, id = clock(), args.id
local record = read(record_key)
if record.state ~= 'sending' or tonumber(record.attempts) ~= args.attempt then
  return { -1, 0 }
end
if record.unwanted then -- the next claim ends it
  redis.call('HSET', record_key, 'lease_until', now)
  redis.call('ZADD', LEASES .. record.queue, now, id)
  return { -1, 0 }
end
local wait = math.min(math.max(math.floor((now - record.created_at) / AGE), args.least), args.most)
-- No provider was asked. The number of the attempt may be used again, as this worker is done with it.
redis.call('HINCRBY', record_key, 'attempts', -1)
redis.call('HSET', record_key, 'state', 'queued', 'error', 'unsealable')
due_at(id, record_key, record.queue, now + wait)
leave_line(record_key, id)
redis.call('ZADD', WAITING .. record.queue, now + wait + args.spared, id)
redis.call('ZADD', dead_key, now, id)
redis.call('ZREMRANGEBYSCORE', dead_key, '-inf', now - args.kept)
redis.call('PEXPIRE', dead_key, args.kept)
return { wait, record.error == 'unsealable' and 0 or 1 }
