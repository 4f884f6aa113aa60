-- Record in the hub how a guess ended that the verification's cell has compared: see includes/guess.lua.
-- ARGV: args (JSON):
--   limits   on wrong guesses, if this one was not wrong: it was counted before
--   guards   texts for guard_verified, if it was right
-- Returns JSON: {}
--- @include "clock"
--- @include "limits"
--- @include "forgive"
--- @include "verified"
local args = cjson.decode(ARGV[1])
local now = clock()
limits_refuse(now, args.limits)
limits_forgive(now, args.limits)
for _, text in ipairs(args.guards) do
  guard_verified(now, text)
end
return '{}'
