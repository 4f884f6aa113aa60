-- Settle in the hub what it has counted in advance, once the phone's cell has decided.
-- ARGV: args (JSON):
--   limits   of a guess that was not wrong, or of a start that the cell has refused: they count one less
--   guards   texts for guard_verified, if a guess was right: see includes/guess.lua
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
