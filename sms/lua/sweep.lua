-- Forget what waits in a queue although its record is gone, and see whom nobody has taken although it was due.
-- KEYS: leases, marker of the asked-for sweep, waiting
-- ARGV: 1 = args: cutoff (ms), most (how many are looked at)
-- Returns the ids of at most so many that were due before the cutoff, the lowest first.
local leases_key, marker_key, waiting_key = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])

redis.call('DEL', marker_key)
local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases_key, '-inf', args.cutoff, 'LIMIT', 0, args.most)) do
  if redis.call('EXISTS', RECORD .. id) == 1 then
    table.insert(due, id)
  else
    redis.call('ZREM', leases_key, id)
    redis.call('ZREM', waiting_key, id)
  end
end
return due
