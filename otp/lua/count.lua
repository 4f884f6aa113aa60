-- Count one more towards limits, if all of them have room.
-- ARGV: args (JSON):
--   limits       see includes/limits.lua
--   refused_as   field of the tally that counts a refusal; without it, none is counted
-- Returns JSON: {}, or {wait (ms), limit (its index, from 0)}.
--- @include "clock"
--- @include "limits"
--- @include "count_limits"
--- @include "tally"
local args = cjson.decode(ARGV[1])
local now, limits = clock(), args.limits
local limit, wait = limits_refuse(now, limits)
if limit then
  if args.refused_as then
    tally(now, 'counts', { args.refused_as, 1 })
  end
  return cjson.encode({ wait = wait, limit = limit })
end
limits_count(now, limits)
return '{}'
