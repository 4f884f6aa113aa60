-- Issue a code, unless the cooldown of the last one runs.
-- KEYS: phone, failures, verification (new)
-- ARGV: id, seed, code digest by id, code digest by phone, lifetime (ms), attempts,
--       reference, envelope, purpose, most failures, escalation forgotten after (ms),
--       prefix of the verification keys, cooldown (ms) after the 1st, 2nd, … code
-- Returns {issued, expires_at, resend_at, reference of the replaced code},
--         {pending, ms to wait} or {blocked, ms to wait}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local last = redis.call('HMGET', KEYS[1], 'id', 'sends', 'resend_at')
local resend_at = tonumber(last[3] or 0)
if now < resend_at then
  return {'pending', resend_at - now}
end
if tonumber(redis.call('GET', KEYS[2]) or 0) >= tonumber(ARGV[10]) then
  return {'blocked', redis.call('PTTL', KEYS[2])}
end

local replaced = ''
if last[1] then
  local old = ARGV[12] .. last[1]
  replaced = redis.call('HGET', old, 'reference') or ''
  redis.call('DEL', old)
end

local sends = tonumber(last[2] or 0) + 1
local cooldown = tonumber(ARGV[math.min(12 + sends, #ARGV)])
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
