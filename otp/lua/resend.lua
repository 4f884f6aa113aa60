-- Send the code of a verification again under the same id, or a new code, or refuse.
-- KEYS: phone, failures, verification
-- ARGV: args (JSON): those of start.lua except `attempts` (`kept` holds a new code, or is empty), and
--   lifetime     ms; a code with less than half of it left is not sent again
--   longest      ms that a code may live in all
--   by           by_id or by_phone: how the caller names the verification
--   instead_of   id of the message that did not work; set if the code goes by another channel. It must still be the
--                latest message; the cooldown does not apply.
-- Returns JSON: as start.lua, or
--   {status = 'blocked'}   no attempts left: this code is never sent again
--   {status = 'expired'}   no live code, or a reverse verification
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

-- An SMS with little time left helps nobody, so a resend prolongs the code, up to its longest life. If less than half
-- of a lifetime is left even then, the user needs a new verification. An automatic channel switch prolongs nothing:
-- its code was given enough time at the start, and its expiry must not reveal the switch.
created_at = #args.kept > 0 and now or tonumber(created_at)
expires_at = args.instead_of and tonumber(expires_at) or math.min(now + args.life, created_at + args.longest)
if expires_at - now < args.lifetime / 2 then
  return cjson.encode({ status = 'expired' })
end
return issue(now, phone, failures, verification, args, {
  sends = args.instead_of and sends or sends + 1,
  resend_at = args.instead_of and tonumber(resend_at) or nil,
  created_at = created_at,
  expires_at = expires_at,
  left = left,
  reference = args.message and reference or nil,
})
