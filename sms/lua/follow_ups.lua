-- How many of the calls that follow others may begin now.
-- ARGV: args (JSON): most (of each alias and kind), wanted: a list of due (the key of what is due), alias, takes (ms of
--       its rate that a call takes)
-- Returns a number for each that is wanted.
--- @include "clock"
--- @include "may_begin"
local args = cjson.decode(ARGV[1])

local now, counts = clock(), {}
for _, wanted in ipairs(args.wanted) do
  local due = redis.call('ZCOUNT', wanted.due, '-inf', now)
  table.insert(counts, math.min(due, may_begin(now, wanted.alias, wanted.takes), args.most))
end
return counts
