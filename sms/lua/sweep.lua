-- Take the messages of one queue whose lease ran out, and lease each for one more round.
-- KEYS: leases, marker of the asked-for sweep, waiting
-- ARGV: cutoff (ms), how many at most, grace until the next look (ms), prefix of the record keys
-- Returns their ids.
redis.call('DEL', KEYS[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  if redis.call('EXISTS', ARGV[4] .. id) == 1 then
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), id)
    due[#due + 1] = id
  else
    redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', KEYS[3], id)
  end
end
return due
