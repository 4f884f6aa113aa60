-- Start a verification: keep its code and accept the SMS that carries it, or refuse and issue nothing.
-- KEYS: phone, failures, verification
-- ARGV: args (JSON):
--   id           of the verification
--   kept         list of names and values to keep in the verification
--   attempts     guesses allowed
--   life         ms
--   cooldowns    ms after the 1st, 2nd, … SMS
--   older        see includes/carry.lua
--   limits       see includes/limits.lua
--   labels       see includes/starts.lua
--   guard        see guard/lua/includes/guard.lua; none: the guard is off
--   message      see sms/lua/includes/overload.lua and accept.lua; none: no SMS
--   channels, tried, asked, next_after, patience   see includes/issue.lua
--   puzzle       see includes/puzzle.lua
--   admitted     the hub's answer, with cells only; see admit.lua
-- Returns JSON: {status, wait (ms), …} of the refusal, or
--   status                       'issued'
--   now, expires_at, resend_at   ms
--   left                         attempts
--   refusal                      what the guard would have refused; the start was still made (shadow mode, or an operator
--                                allowed the number)
--   reference                    id of the previous code's SMS
--   called_back                  record of that SMS, if it was recalled
--- @include "clock"
--- @include "carry"
--- @include "phone"
--- @include "issue"
local phone, failures, verification = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])
local now = clock()
carry(phone, failures, args.older)

local last_id, sends, resend_at = unpack(redis.call('HMGET', phone, 'id', 'sends', 'resend_at'))
local refused = phone_refuses(now, resend_at, failures)
if refused then
  return refuse(now, args, refused)
end
local former = last_id and VERIFICATION .. last_id or nil
return issue(now, phone, failures, verification, args, {
  sends = (sends or 0) + 1,
  created_at = now,
  expires_at = now + args.life,
  left = args.attempts,
  former = former,
  reference = former and redis.call('HGET', former, 'reference') or nil,
})
