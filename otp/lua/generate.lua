-- (begins with common.lua and limits.lua)
-- Issue a code, unless the cooldown of the last one runs, wrong guesses demand a pause, or a limit is reached.
-- KEYS: phone, failures, verification (new), pairs of phone and failures under older secrets, limits
-- ARGV: id, seed, code digest by id, code digest by phone, lifetime (ms), attempts,
--       reference, envelope, purpose, prefix of the verification keys, escalation forgotten after (ms),
--       four figures of the pause (see common.lua), how many older pairs, how many cooldowns,
--       cooldown (ms) after the 1st, 2nd, … code, values of the limits (see limits.lua)
-- Returns {issued, expires_at, resend_at, reference of the replaced code},
--         {pending, ms to wait}, {blocked, ms to wait} or {limited, ms to wait, index of the limit}.
local now = clock()
local older, cooldowns = tonumber(ARGV[16]), tonumber(ARGV[17])
carry(KEYS[1], KEYS[2], slice(KEYS, 4, 2 * older), ARGV[10])

local last = redis.call('HMGET', KEYS[1], 'id', 'sends', 'resend_at')
local resend_at = tonumber(last[3] or 0)
if now < resend_at then
  return {'pending', resend_at - now}
end
local pause = pause_left(KEYS[2], slice(ARGV, 12, 4))
if pause > 0 then
  return {'blocked', pause}
end
local limits = slice(KEYS, 4 + 2 * older, #KEYS - 3 - 2 * older)
local limits_values = slice(ARGV, 18 + cooldowns, 3 * #limits)
local index, wait = limits_refuse(now, limits, limits_values)
if index then
  return {'limited', wait, index - 1}
end
limits_count(now, limits, limits_values)

local replaced = ''
if last[1] then
  local old = ARGV[10] .. last[1]
  replaced = redis.call('HGET', old, 'reference') or ''
  redis.call('DEL', old)
end

local sends = tonumber(last[2] or 0) + 1
local cooldown = tonumber(ARGV[17 + math.min(sends, cooldowns)])
resend_at = now + cooldown
local expires_at = now + tonumber(ARGV[5])

redis.call('HSET', KEYS[3], 'phone', KEYS[1], 'failures', KEYS[2], 'status', 'pending',
  'seed', ARGV[2], 'by_id', ARGV[3], 'by_phone', ARGV[4], 'left', ARGV[6], 'purpose', ARGV[9],
  'created_at', now, 'expires_at', expires_at, 'resend_at', resend_at,
  'reference', ARGV[7], 'envelope', ARGV[8])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'sends', sends, 'resend_at', resend_at)
redis.call('PEXPIRE', KEYS[1], math.max(cooldown, tonumber(ARGV[5])) + tonumber(ARGV[11]))
return {'issued', expires_at, resend_at, replaced}
