-- Let the live code go out once more, or a new one under the same id, unless its cooldown runs, wrong
-- guesses demand a pause, a limit is reached, or the guard refuses.
-- KEYS: phone, failures, verification, pairs of phone and failures under older secrets, limits, guard
-- ARGV: id, new seed ("" = keep the code), its digest by id, by phone, lifetime (ms), longest life
--       since it was made (ms), reference, whose attempts (by_id or by_phone: as the caller knows it),
--       how many older pairs, limits and cooldowns,
--       cooldown (ms) after the 1st, 2nd, … code, values of the limits and of the guard
-- Returns {issued, ms and reason of what the guard would refuse (0 and ""), expires_at, resend_at, former
--         reference, seed, attempts left, code digest by id, ms to live}, {pending, ms to wait},
--         {blocked, ms to wait (0 = this code never again)}, {expired}, or see admission.lua.
--- @include "clock"
--- @include "slice"
--- @include "carry"
--- @include "phone"
--- @include "attempts"
--- @include "limits"
--- @include "guard"
--- @include "admission"
local now = clock()
local older, cooldowns = tonumber(ARGV[9]), tonumber(ARGV[11])
carry(KEYS[1], KEYS[2], slice(KEYS, 4, 2 * older))

local last = redis.call('HMGET', KEYS[1], 'id', 'sends', 'resend_at')
local code = redis.call('HMGET', KEYS[3], 'status', 'seed', 'created_at', 'reference', 'left', 'left_by_phone')
if code[1] == 'blocked' then
  return {'blocked', 0}
end
if code[1] ~= 'pending' or last[1] ~= ARGV[1] then
  return {'expired'}
end
local left = attempts(ARGV[8], code[5], code[6])
if left <= 0 then
  return {'blocked', 0}
end
local refused = phone_refuses(now, tonumber(last[3]), KEYS[2])
if refused then
  return refused
end

local born = ARGV[2] ~= '' and now or tonumber(code[3])
-- A fresh SMS with little to live helps nobody: the code lives on, within the longest life, and
-- where that leaves less than half of a lifetime, it is time for a new verification.
local expires_at = math.min(now + tonumber(ARGV[5]), born + tonumber(ARGV[6]))
if expires_at - now < tonumber(ARGV[5]) / 2 then
  return {'expired'}
end
local asked = admission(4 + 2 * older, 12 + cooldowns, tonumber(ARGV[10]))
refused = admission_refuses(now, asked)
if refused then
  return refused
end
local guard = admission_counts(now, asked)

-- What is changed here stays beside it, for a resend that cannot be sent: see unresend.lua.
local changed = {'reference', 'guard', 'expires_at'}
if ARGV[2] ~= '' then
  changed = {'reference', 'guard', 'expires_at', 'seed', 'by_id', 'by_phone', 'created_at'}
end
local former = {}
for i, value in ipairs(redis.call('HMGET', KEYS[3], unpack(changed))) do
  former[changed[i]] = value
end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[3], 'seed', ARGV[2], 'by_id', ARGV[3], 'by_phone', ARGV[4], 'created_at', now)
end
local sends = tonumber(last[2]) + 1
local cooldown = tonumber(ARGV[11 + math.min(sends, cooldowns)])
local resend_at = now + cooldown
redis.call('HSET', KEYS[3], 'expires_at', expires_at, 'resend_at', resend_at,
  'reference', ARGV[7], 'guard', guard, 'former', cjson.encode(former))
redis.call('PEXPIRE', KEYS[3], math.max(expires_at - now, 1))
redis.call('HSET', KEYS[1], 'sends', sends, 'resend_at', resend_at)
redis.call('PEXPIRE', KEYS[1], math.max(cooldown, tonumber(ARGV[5])) + ESCALATION_KEPT)
local told = asked.refusal or {0, ''}
local stands = redis.call('HMGET', KEYS[3], 'seed', 'by_id')
return {'issued', told[1], told[2], expires_at, resend_at, code[4], stands[1], left, stands[2], expires_at - now}
