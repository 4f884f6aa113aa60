-- Start a verification: make a code and accept the SMS that carries it, or refuse and issue nothing.
-- KEYS: phone, its failures, the verification
-- ARGV: args (JSON): id; kept (a list: names and values of what the verification keeps); attempts, life (ms),
--       cooldowns (ms after the 1st, 2nd, … SMS); older (see includes/carry.lua), limits (see includes/limits.lua),
--       labels (see includes/starts.lua), guard (see guard/lua/includes/guard.lua; none: it is off), message (see
--       overload.lua and accept.lua of sms; none: no SMS), channels, tried, asked, next_after, patience (see
--       includes/issue.lua), puzzle (see includes/puzzle.lua)
-- Returns JSON: {status = 'issued', now, expires_at, resend_at, left, refusal (only told: shadow, allowed),
--         reference (of the SMS of the code before), called_back (its record)}, or {status, wait, …} of what refuses.
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
  born = now,
  expires_at = now + args.life,
  left = args.attempts,
  former = former,
  reference = former and redis.call('HGET', former, 'reference') or nil,
})
