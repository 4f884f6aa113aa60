-- Issue a code, unless the cooldown of the last one runs, wrong guesses demand a pause, a limit is
-- reached, or the guard refuses.
-- KEYS: phone, failures, verification (new), pairs of phone and failures under older secrets, limits, guard
-- ARGV: id, seed, code digest by id, code digest by phone, lifetime (ms), attempts,
--       reference, envelope, purpose, owner, how many older pairs, limits and cooldowns,
--       cooldown (ms) after the 1st, 2nd, … code, values of the limits and of the guard
-- Returns {issued, ms and reason of what the guard would refuse (0 and ""), expires_at, resend_at, reference
--         of the replaced code}, {pending, ms to wait}, {blocked, ms to wait}, or see admission.lua.
--- @include "clock"
--- @include "slice"
--- @include "carry"
--- @include "phone"
--- @include "limits"
--- @include "guard"
--- @include "admission"
local now = clock()
local older, cooldowns = tonumber(ARGV[11]), tonumber(ARGV[13])
carry(KEYS[1], KEYS[2], slice(KEYS, 4, 2 * older))

local last = redis.call('HMGET', KEYS[1], 'id', 'sends', 'resend_at')
local asked = admission(4 + 2 * older, 14 + cooldowns, tonumber(ARGV[12]))
local refused = phone_refuses(now, tonumber(last[3] or 0), KEYS[2]) or admission_refuses(now, asked)
if refused then
  return refused
end
local guard = admission_counts(now, asked)

local replaced = ''
if last[1] then
  local old = VERIFICATION .. last[1]
  local code = redis.call('HMGET', old, 'status', 'reference')
  replaced = code[2] or ''
  if code[1] == 'pending' then -- dead, unless the SMS of the new one cannot be sent, see cancel.lua
    redis.call('HSET', old, 'status', 'replaced')
    redis.call('HSET', KEYS[3], 'before', last[1])
  else
    redis.call('DEL', old)
  end
end

local sends = tonumber(last[2] or 0) + 1
local cooldown = tonumber(ARGV[13 + math.min(sends, cooldowns)])
local resend_at = now + cooldown
local expires_at = now + tonumber(ARGV[5])

redis.call('HSET', KEYS[3], 'phone', KEYS[1], 'failures', KEYS[2], 'status', 'pending',
  'seed', ARGV[2], 'by_id', ARGV[3], 'by_phone', ARGV[4], 'left', ARGV[6], 'left_by_phone', ARGV[6],
  'purpose', ARGV[9], 'created_at', now, 'expires_at', expires_at, 'resend_at', resend_at,
  'reference', ARGV[7], 'envelope', ARGV[8], 'guard', guard)
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[3], 'owner', ARGV[10])
end
redis.call('PEXPIRE', KEYS[3], ARGV[5])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'sends', sends, 'resend_at', resend_at)
redis.call('PEXPIRE', KEYS[1], math.max(cooldown, tonumber(ARGV[5])) + ESCALATION_KEPT)
local told = asked.refusal or {0, ''}
return {'issued', told[1], told[2], expires_at, resend_at, replaced}
