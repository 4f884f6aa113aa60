-- Whether a code could be issued: asked before whatever costs money is asked about the number.
-- KEYS: phone, its failures
-- ARGV: args (JSON): older (see includes/carry.lua), limits (see includes/limits.lua)
-- Returns JSON: {}, or {status, wait, …} as start.lua would answer.
--- @include "clock"
--- @include "carry"
--- @include "phone"
--- @include "limits"
local phone, failures = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
local now = clock()
carry(phone, failures, args.older)
local refused = phone_refuses(now, redis.call('HGET', phone, 'resend_at'), failures)
if not refused then
  local limit, wait = limits_refuse(now, args.limits)
  refused = limit and { status = 'limited', wait = wait, limit = limit } or {}
end
return cjson.encode(refused)
