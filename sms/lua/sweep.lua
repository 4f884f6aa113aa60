-- Forget what waits in a queue although its record is gone, and see whom nobody has taken although it was due.
-- KEYS: marker of the asked-for sweep, since when there was none, when there was one last
-- ARGV: args (JSON): queue, cutoff (ms), most, remembered (ms)
-- Returns the ids of those due before the cutoff, the lowest first: so many, and then as many that no worker could open.
local marker_key, unswept_key, swept_key = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])
local SEEN = 2000 -- so many are looked at
local LATER = 10000 -- ms until more that no worker could open are due again: they keep nobody from being seen

--- @include "clock"

local leases_key = LEASES .. args.queue
redis.call('DEL', marker_key, unswept_key)
redis.call('SET', swept_key, clock(), 'PX', args.remembered)
local due, unopened = {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases_key, '-inf', args.cutoff, 'LIMIT', 0, SEEN)) do
  local state, error = unpack(redis.call('HMGET', RECORD .. id, 'state', 'error'))
  if not state then
    redis.call('ZREM', leases_key, id)
    redis.call('ZREM', WAITING .. args.queue, id)
  elseif error ~= 'unsealable' then
    table.insert(due, id)
  elseif #unopened < args.most then
    table.insert(unopened, id)
  else
    redis.call('ZADD', leases_key, args.cutoff + LATER, id)
  end
  if #due == args.most then
    break
  end
end
for _, id in ipairs(unopened) do
  table.insert(due, id)
end
return due
