-- Decide in the hub whether a code may be sent, and count it if so. start.lua or resend.lua then runs in the phone's cell.
-- Without cells those two decide this themselves: see sms.cells.
-- ARGV: args (JSON): limits, labels, guard, puzzle and message, as start.lua takes them
-- Returns JSON: the refusal as start.lua returns it, or
--   counted, refusal   see includes/admit.lua
--   at                 when it was counted (ms)
--   outlook            see overload.lua of sms; none without a message
--- @include "clock"
--- @include "starts"
--- @include "admit"
--- @include "outlook"
local args = cjson.decode(ARGV[1])
local now = clock()
local refused, counted, refusal = admit(now, args)
if refused then
  return refuse(now, args, refused)
end
return cjson.encode({
  counted = counted,
  refusal = refusal,
  at = now,
  outlook = args.message and outlook_of(now, args.message.aliases) or nil,
})
