-- Whether a code could be issued: asked before whatever costs money is asked about the number.
-- KEYS: phone, its failures
-- ARGV: args (JSON): older (see includes/carry.lua), limits (see includes/limits.lua), labels (see includes/starts.lua),
--       goes_on (another channel is next for a code that lives: no cooldown holds it off)
-- Returns JSON: {}, or {status, wait, …} as start.lua would answer.
--- @include "clock"
--- @include "carry"
--- @include "phone"
--- @include "limits"
--- @include "starts"
local phone, failures = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
local now = clock()
carry(phone, failures, args.older)
local refused = phone_refuses(now, not args.goes_on and redis.call('HGET', phone, 'resend_at'), failures)
if not refused then
  local limit, wait = limits_refuse(now, args.limits)
  refused = limit and { status = 'limited', wait = wait, limit = limit }
end
return refused and refuse(now, args, refused) or '{}'
