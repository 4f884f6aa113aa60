-- Settle in the hub what it has counted in advance, once the phone's cell has decided.
-- ARGV: args (JSON):
--   limits       of a guess that was not wrong, or of a start that was not made: they count one less
--   right        true: the guess was right, so it takes back a wrong one as well, see includes/forgive.lua
--   guards       texts for guard_verified, if a guess was right: see includes/guess.lua
--   not_made     of a start:
--     counted    see includes/admit.lua
--     guard      see start.lua; none: the guard is off
--     spent      see includes/puzzle.lua; none: no puzzle was solved
-- Returns JSON: {}
--- @include "clock"
--- @include "limits"
--- @include "forgive"
--- @include "verified"
--- @include "take_back"
local args = cjson.decode(ARGV[1])
local now, not_made = clock(), args.not_made
for _ = 1, args.right and 2 or 1 do
  limits_refuse(now, args.limits)
  limits_forgive(now, args.limits)
end
for _, text in ipairs(args.guards) do
  guard_verified(now, text)
end
if not_made and not_made.guard then
  guard_take_back(now, not_made.counted, not_made.guard)
end
if not_made and not_made.spent then
  redis.call('DEL', not_made.spent)
end
return '{}'
