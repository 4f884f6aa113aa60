-- Settle in the hub what it has counted in advance, once the phone's cell has decided.
-- ARGV: args (JSON):
--   limits       of a guess that was not wrong, or of a start that was not made: they count one less
--   right        true: the guess was right, so it takes back a wrong one as well, see includes/forgive.lua
--   guards       texts for guard_verified, if a guess was right: see includes/guess.lua
--   unsent       of the guard, for such a start: {text, at (ms), reserved}, see guard/lua/includes/unsent.lua
--   puzzle       key that marks the puzzle's answer of such a start as used. It is deleted, so that the
--                answer can be used again.
-- Returns JSON: {}
--- @include "clock"
--- @include "limits"
--- @include "forgive"
--- @include "verified"
--- @include "unsent"
local args = cjson.decode(ARGV[1])
local now = clock()
for _ = 1, args.right and 2 or 1 do
  limits_refuse(now, args.limits)
  limits_forgive(now, args.limits)
end
for _, text in ipairs(args.guards) do
  guard_verified(now, text)
end
if args.unsent then
  guard_unsent(now, args.unsent.text, args.unsent.at, args.unsent.reserved)
end
if args.puzzle then
  redis.call('DEL', args.puzzle)
end
return '{}'
