-- Let the live code of a verification, or a new one, go out once more under the same id, or refuse.
-- KEYS: phone, its failures, the verification
-- ARGV: args (JSON): as those of start.lua, but for attempts, purpose, owner and envelope; and longest (ms that a code
--       may live since it was made), by (by_id or by_phone: as the caller knows it); seed, by_id and by_phone only of a
--       new code
-- Returns JSON: {status = 'issued', now, expires_at, resend_at, left, told, replaced, called_back} as start.lua,
--         {status, wait, …} of what refuses, {status = 'blocked', wait = 0}: this code never again, or
--         {status = 'expired'}.
--- @include "clock"
--- @include "carry"
--- @include "phone"
--- @include "cooldown"
--- @include "attempts"
--- @include "admission"
--- @include "overload"
--- @include "accept"
--- @include "call_back"
local phone, failures, verification = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])
local message = args.message
local now = clock()
carry(phone, failures, args.older)

local newest, sends, resend_at = unpack(redis.call('HMGET', phone, 'id', 'sends', 'resend_at'))
local status, created_at, reference, left_by_id, left_by_phone =
  unpack(redis.call('HMGET', verification, 'status', 'created_at', 'reference', 'left', 'left_by_phone'))
if status ~= 'blocked' and (status ~= 'pending' or newest ~= args.id) then
  return cjson.encode({ status = 'expired' })
end
local left = status == 'pending' and attempts(args.by, left_by_id, left_by_phone) or 0
if left <= 0 then
  return cjson.encode({ status = 'blocked', wait = 0 })
end
local refused = phone_refuses(now, tonumber(resend_at), failures)
if refused then
  return cjson.encode(refused)
end

-- A fresh SMS with little to live helps nobody: the code lives on, within the longest life, and
-- where that leaves less than half of a lifetime, it is time for a new verification.
local born = args.seed and now or tonumber(created_at)
local expires_at = math.min(now + args.lifetime, born + args.longest)
if expires_at - now < args.lifetime / 2 then
  return cjson.encode({ status = 'expired' })
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

local answer = { status = 'issued', now = now, expires_at = expires_at, left = left, told = told }
if args.seed then
  redis.call(
    'HSET',
    verification,
    'seed',
    args.seed,
    'by_id',
    args.by_id,
    'by_phone',
    args.by_phone,
    'created_at',
    now
  )
end
answer.resend_at = begin_cooldown(now, phone, args.id, tonumber(sends) + 1, args.cooldowns, args.lifetime)
redis.call(
  'HSET',
  verification,
  'expires_at',
  expires_at,
  'resend_at',
  answer.resend_at,
  'guard',
  admission_counts(now, args.limits, args.guard)
)
redis.call('PEXPIRE', verification, math.max(expires_at - now, 1))
if message then
  answer.replaced = reference or nil
  answer.called_back = reference and call_back(reference)
  redis.call('HSET', verification, 'reference', message.id)
  accept(now, message, expires_at)
end
return cjson.encode(answer)
