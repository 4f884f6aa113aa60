-- Let the live code go out once more, or a new one under the same id, if its cooldown has run.
-- KEYS: phone, verification
-- ARGV: id, new seed ("" = keep the code), its digest by id, by phone, lifetime (ms), longest life
--       since it was made (ms), reference, escalation forgotten after (ms),
--       cooldown (ms) after the 1st, 2nd, … code
-- Returns {issued, seed, expires_at, resend_at, attempts left, former reference},
--         {pending, ms to wait}, {expired} or {blocked}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local last = redis.call('HMGET', KEYS[1], 'id', 'sends', 'resend_at')
local code = redis.call('HMGET', KEYS[2], 'status', 'seed', 'left', 'created_at', 'reference')
if code[1] == 'blocked' then
  return {'blocked'}
end
if code[1] ~= 'pending' or last[1] ~= ARGV[1] then
  return {'expired'}
end
local resend_at = tonumber(last[3])
if now < resend_at then
  return {'pending', resend_at - now}
end

local seed, born = code[2], tonumber(code[4])
if ARGV[2] ~= '' then
  seed, born = ARGV[2], now
  redis.call('HSET', KEYS[2], 'seed', seed, 'by_id', ARGV[3], 'by_phone', ARGV[4], 'created_at', now)
end
-- A fresh SMS with little to live helps nobody: the code lives on, within the longest life, and
-- where that leaves less than half of a lifetime, it is time for a new verification.
local expires_at = math.min(now + tonumber(ARGV[5]), born + tonumber(ARGV[6]))
if expires_at - now < tonumber(ARGV[5]) / 2 then
  return {'expired'}
end
local sends = tonumber(last[2]) + 1
local cooldown = tonumber(ARGV[math.min(8 + sends, #ARGV)])
resend_at = now + cooldown
redis.call('HSET', KEYS[2], 'expires_at', expires_at, 'resend_at', resend_at, 'reference', ARGV[7])
redis.call('PEXPIRE', KEYS[2], math.max(expires_at - now, 1))
redis.call('HSET', KEYS[1], 'sends', sends, 'resend_at', resend_at)
redis.call('PEXPIRE', KEYS[1], math.max(cooldown, tonumber(ARGV[5])) + tonumber(ARGV[8]))
return {'issued', seed, expires_at, resend_at, tonumber(code[3]), code[5]}
