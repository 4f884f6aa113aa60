-- Count the follow-up calls that may begin now.
-- ARGV: args (JSON):
--   most     at most this many for each entry
--   wanted   list of {due (key), alias, takes (ms of its rate that a call takes)}
-- Returns a number for each entry of wanted
--- @include "clock"
--- @include "may_begin"
local args = cjson.decode(ARGV[1])

local now, counts = clock(), {}
for _, wanted in ipairs(args.wanted) do
  local due = redis.call('ZCOUNT', wanted.due, '-inf', now)
  table.insert(counts, math.min(due, may_begin(now, wanted.alias, wanted.takes), args.most))
end
return counts
