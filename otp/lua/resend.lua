-- Let the live code of a verification, or a new one, go out once more under the same id, or refuse.
-- KEYS: phone, its failures, the verification
-- ARGV: args (JSON): as those of start.lua without attempts; kept holds a new code or nothing; and lifetime (ms: a code
--       with less than half of it left is not sent again), longest (ms that one may live since it was made), by (by_id or
--       by_phone: as the caller knows it), instead_of (id of the message that did not work: another channel is next, if
--       that is still the last message; no cooldown holds it off)
-- Returns JSON: as start.lua, or {status = 'blocked'}: this code never again, or {status = 'expired'}, also for a code
--         that its user is to send to us.
--- @include "clock"
--- @include "carry"
--- @include "phone"
--- @include "attempts"
--- @include "issue"
local phone, failures, verification = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])
local now = clock()
carry(phone, failures, args.older)

local newest, sends, resend_at = unpack(redis.call('HMGET', phone, 'id', 'sends', 'resend_at'))
-- stylua: ignore
local status, created_at, expires_at, reference, left_by_id, left_by_phone, reverse = unpack(redis.call('HMGET', verification,
  'status', 'created_at', 'expires_at', 'reference', 'left', 'left_by_phone', 'reverse'))
if status ~= 'blocked' and (status ~= 'pending' or newest ~= args.id) or reverse then
  return cjson.encode({ status = 'expired' })
end
if args.instead_of and args.instead_of ~= reference then
  return cjson.encode({ status = 'expired' })
end
local left = status == 'pending' and attempts(args.by, left_by_id, left_by_phone) or 0
if left <= 0 then
  return cjson.encode({ status = 'blocked' })
end
local refused = phone_refuses(now, not args.instead_of and resend_at, failures)
if refused then
  return refuse(now, args, refused)
end

-- A fresh SMS with little to live helps nobody: the code lives on, within the longest life, and where that leaves less
-- than half of a lifetime, it is time for a new verification. What goes on by itself had the time for that from the
-- start: by its end nobody shall see that it did.
local born = #args.kept > 0 and now or tonumber(created_at)
expires_at = args.instead_of and tonumber(expires_at) or math.min(now + args.life, born + args.longest)
if expires_at - now < args.lifetime / 2 then
  return cjson.encode({ status = 'expired' })
end
return issue(now, phone, failures, verification, args, {
  sends = args.instead_of and sends or sends + 1,
  resend_at = args.instead_of and tonumber(resend_at) or nil,
  born = born,
  expires_at = expires_at,
  left = left,
  reference = args.message and reference or nil,
})
