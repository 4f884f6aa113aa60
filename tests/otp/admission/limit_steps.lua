-- One step of the limits, to look at.
-- ARGV: args (JSON): now (ms), step (refuse, count or forgive), limits (see includes/limits.lua)
-- Returns JSON: {limit, wait} of refuse, else {}.
--- @include "limits"
--- @include "count_limits"
--- @include "forgive"
local args = cjson.decode(ARGV[1])
local answer = {}
if args.step == 'refuse' then
  answer.limit, answer.wait = limits_refuse(args.now, args.limits)
elseif args.step == 'count' then
  limits_count(args.now, args.limits)
else
  limits_forgive(args.now, args.limits)
end
return cjson.encode(answer)
