-- Forget what waits in a queue although its record is gone, and see whom nobody has taken although it was due.
-- KEYS: marker of the asked-for sweep
-- ARGV: args (JSON): queue, cutoff (ms), most
-- Returns the ids of those that were due before the cutoff, the lowest first: at most so many, and then as many that no
-- worker could open, which may be many and must not keep the others from being seen.
local marker_key = KEYS[1]
local args = cjson.decode(ARGV[1])
local SEEN = 1000 -- so many are looked at

redis.call('DEL', marker_key)
local due, unopened = {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES .. args.queue, '-inf', args.cutoff, 'LIMIT', 0, SEEN)) do
  local state, error = unpack(redis.call('HMGET', RECORD .. id, 'state', 'error'))
  local kind = error == 'unsealable' and unopened or due
  if not state then
    redis.call('ZREM', LEASES .. args.queue, id)
    redis.call('ZREM', WAITING .. args.queue, id)
  elseif #kind < args.most then
    table.insert(kind, id)
  end
  if #due == args.most then
    break
  end
end
for _, id in ipairs(unopened) do
  table.insert(due, id)
end
return due
