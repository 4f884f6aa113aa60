-- Start a verification: make a code and accept the SMS that carries it, or refuse and issue nothing.
-- KEYS: phone, its failures, the verification
-- ARGV: args (JSON): id; seed, by_id, by_phone (of the code); attempts, lifetime (ms), cooldowns (ms); purpose,
--       owner and envelope (none: left out); older (see includes/carry.lua), limits (includes/limits.lua), guard (see
--       guard/lua/includes/guard.lua; none: it is off), message (see includes/overload.lua and accept.lua of sms; none: no SMS)
-- Returns JSON: {status = 'issued', now, expires_at, resend_at, told (what the guard would refuse), replaced (id of
--         the SMS of the code before), called_back (its record)}, or {status, wait, …} of what refuses.
--- @include "clock"
--- @include "carry"
--- @include "phone"
--- @include "cooldown"
--- @include "admission"
--- @include "overload"
--- @include "accept"
--- @include "call_back"
local phone, failures, verification = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])
local message = args.message
local now = clock()
carry(phone, failures, args.older)

local last_id, sends, resend_at = unpack(redis.call('HMGET', phone, 'id', 'sends', 'resend_at'))
local refused = phone_refuses(now, tonumber(resend_at or 0), failures)
if refused then
  return cjson.encode(refused)
end
local wait = message and overload(now, message)
if wait then
  return cjson.encode({ status = 'overloaded', wait = wait })
end
local told
refused, told = admission_refuses(now, args.limits, args.guard)
if refused then
  return cjson.encode(refused)
end

local expires_at = now + args.lifetime
local answer = { status = 'issued', now = now, expires_at = expires_at, told = told }
if last_id then
  local former = VERIFICATION .. last_id
  answer.replaced = redis.call('HGET', former, 'reference') or nil
  answer.called_back = answer.replaced and call_back(answer.replaced)
  redis.call('DEL', former)
end
answer.resend_at =
  begin_cooldown(now, phone, args.id, tonumber(sends or 0) + 1, args.cooldowns, args.lifetime)
redis.call(
  'HSET',
  verification,
  'status',
  'pending',
  'phone',
  phone,
  'failures',
  failures,
  'seed',
  args.seed,
  'by_id',
  args.by_id,
  'by_phone',
  args.by_phone,
  'left',
  args.attempts,
  'left_by_phone',
  args.attempts,
  'purpose',
  args.purpose,
  'created_at',
  now,
  'expires_at',
  expires_at,
  'resend_at',
  answer.resend_at,
  'guard',
  admission_counts(now, args.limits, args.guard)
)
if args.owner then
  redis.call('HSET', verification, 'owner', args.owner)
end
if args.envelope then
  redis.call('HSET', verification, 'envelope', args.envelope)
end
if message then
  redis.call('HSET', verification, 'reference', message.id)
  accept(now, message, expires_at)
end
redis.call('PEXPIRE', verification, args.lifetime)
return cjson.encode(answer)
