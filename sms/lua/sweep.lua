-- Find messages of a queue that are overdue and not taken. Also drop entries whose record has expired.
-- KEYS: mark of the pending sweep, time since which no sweep was run, time of the last sweep
-- ARGV: args (JSON): queue, cutoff (ms), most, remembered (ms to keep the time of this sweep)
-- Returns ids due before the cutoff, the earliest first: `most` at most, then as many that no worker could open
local marker_key, unswept_key, swept_key = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])
local SEEN = 2000 -- entries to look at
local LATER = 10000 -- ms until further unopened messages are due again, so that they hide no others

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
