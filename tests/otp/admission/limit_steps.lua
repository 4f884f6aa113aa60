-- One step of the limits, to look at.
-- ARGV: args (JSON): now (ms), step (refuse, count or forgive), limits (see includes/limits.lua)
-- Returns JSON: {limit, wait} of refuse, else {}.
--- @include "limits"
--- @include "count_limits"
--- @include "forgive"
local args = cjson.decode(ARGV[1])
local limit, wait = limits_refuse(args.now, args.limits)
if args.step == 'count' then
  limits_count(args.now, args.limits)
elseif args.step == 'forgive' then
  limits_forgive(args.now, args.limits)
else
  return cjson.encode({ limit = limit, wait = wait })
end
return '{}'
