-- What the operator says of a scope.
-- KEYS: rules, then the scope and, for a prefix, those within it
-- ARGV: scope, "allow", "block" or "release", ms for which it shall hold
-- A release also forgives what stayed unverified. Returns 1 if there was something to release, and ms of now.
--- @include "counts"
--- @include "rules"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] ~= 'release' then
  local till = now + ARGV[3]
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%d', till))
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
  end
  return {1, now}
end
local released = redis.call('HDEL', KEYS[1], ARGV[1])
for i = 2, #KEYS do
  local c = guard_read(KEYS[i], now, 0)
  if c[1] > 0 then
    for at = 4, 19, 5 do
      c[at + 1], c[at + 3] = math.min(c[at + 1], c[at + 2]), math.min(c[at + 3], c[at + 4])
    end
    c[2], c[3] = 0, 0
    guard_write(KEYS[i], now, c)
    released = 1
  end
end
return {released, now}
