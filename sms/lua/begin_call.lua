-- In the hub: let a follow-up call begin, if the rate of its alias has room. See follow_up.lua.
-- ARGV: alias, takes (ms of the rate; negative: give them back, because the call began but was not made)
-- Returns 1; 0 if there is no room
--- @include "clock"
--- @include "may_begin"
local alias, takes = ARGV[1], tonumber(ARGV[2])
local now = clock()
if takes > 0 and may_begin(now, alias, takes) == 0 then
  return 0
end
take_from_rate(now, alias, takes)
return 1
