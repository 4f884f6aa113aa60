-- Count one more towards limits, if all of them have room.
-- KEYS: limits.  ARGV: their values (see limits.lua)
-- Returns {} or {ms to wait, index of the limit}.
--- @include "clock"
--- @include "limits"
local now = clock()
local index, wait = limits_refuse(now, KEYS, ARGV)
if index then
  return {wait, index - 1}
end
limits_count(now, KEYS, ARGV)
return {}
