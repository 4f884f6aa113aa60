-- A resend could not be sent: nobody waits for it, and it counts towards nothing. The code and the SMS before
-- it are in their places again: that SMS is called back with the code, and counts as verified if it is accepted.
-- KEYS: verification, limits.  ARGV: reference that it was given, values of the limits
--- @include "clock"
--- @include "slice"
--- @include "limits"
--- @include "guard"
local code = redis.call('HMGET', KEYS[1], 'reference', 'phone', 'guard', 'status', 'former')
if code[1] ~= ARGV[1] or code[4] ~= 'pending' and code[4] ~= 'blocked' then
  return 0 -- it was accepted, and with it its phone's cooldown is over; or it was resent once more
end
local now = clock()
if code[4] == 'pending' then
  for name, value in pairs(cjson.decode(code[5] or '{}')) do
    redis.call('HSET', KEYS[1], name, value)
  end
  redis.call('HSET', KEYS[1], 'resend_at', now)
  redis.call('PEXPIRE', KEYS[1], math.max(redis.call('HGET', KEYS[1], 'expires_at') - now, 1))
end
if redis.call('EXISTS', code[2]) == 1 then
  redis.call('HSET', code[2], 'resend_at', now)
  redis.call('HINCRBY', code[2], 'sends', -1)
end
if (code[3] or '') ~= '' then
  guard_library().unsent(now, code[3])
end
limits_take_back(now, slice(KEYS, 2, #KEYS - 1), slice(ARGV, 2, #ARGV - 1))
return 1
