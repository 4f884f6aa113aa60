-- Check whether a code could be issued, before paying a vendor to look the number up. Issues nothing.
-- KEYS: phone, failures
-- ARGV: args (JSON):
--   older     see includes/carry.lua; none: look at the limits and the puzzle only, not at the phone
--   limits    see includes/limits.lua
--   labels    see includes/starts.lua
--   goes_on   a live code goes by another channel, so the cooldown does not apply
--   puzzle    see includes/puzzle.lua
--   guard     its caps also decide whether a puzzle is required
-- Returns JSON: {} if it could, else {status, wait (ms), …} as start.lua returns it
--- @include "clock"
--- @include "carry"
--- @include "phone"
--- @include "limits"
--- @include "puzzle"
--- @include "guard"
--- @include "starts"
local phone, failures = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
local now = clock()
local refused
if args.older then
  carry(phone, failures, args.older)
  refused = phone_refuses(now, not args.goes_on and redis.call('HGET', phone, 'resend_at'), failures)
end
if not refused then
  local limit, wait = limits_refuse(now, args.limits)
  refused = limit and { status = 'limited', wait = wait, limit = limit }
end
local share = not refused and puzzle_asks(args.puzzle)
if share then
  local is_hot = share == 0 or limits_run_hot(now, args.limits, args.puzzle)
  if is_hot or (args.guard and not guard_send(now, args.guard, share, 'looks')) then
    refused = { status = 'challenge' }
  end
end
return refused and refuse(now, args, refused) or '{}'
