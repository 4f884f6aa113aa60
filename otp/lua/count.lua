-- Count one more towards limits, if all of them have room.
-- ARGV: args (JSON): limits (see includes/limits.lua)
-- Returns JSON: {}, or {wait (ms), limit (its place)}.
--- @include "clock"
--- @include "limits"
--- @include "count_limits"
local limits = cjson.decode(ARGV[1]).limits
local now = clock()
local limit, wait = limits_refuse(now, limits)
if limit then
  return cjson.encode({ wait = wait, limit = limit })
end
limits_count(now, limits)
return '{}'
