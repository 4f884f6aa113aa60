-- In the hub: record how calls ended, then pick the alias for the next one. Only with cells, see sms.cells: without
-- them, the scripts of the message do this themselves.
-- ARGV: args (JSON):
--   calls, breaker   see includes/count_calls.lua
--   want             see includes/pick.lua; none: only record
--   marks            see includes/opted_out.lua
-- Returns JSON: changed (see includes/judge_call.lua), picked (see includes/pick.lua), opted_out (true: from all of them)
--- @include "clock"
--- @include "judge_call"
--- @include "pick"
--- @include "opted_out"
local args = cjson.decode(ARGV[1])

local now, changed, want = clock(), {}, args.want
for _, call in ipairs(args.calls) do
  judge_call(now, call, args.breaker, changed)
end
if not want then
  return cjson.encode({ changed = changed })
end
local hops = not_opted_out(now, want.hops, args.marks)
if hops == '' and want.hops ~= '' then
  return cjson.encode({ changed = changed, opted_out = true })
end
want.hops = hops
local turn = want.record.turn or ''
want.line = turn ~= '' and line_key_of(turn, want.record.queue) or nil
return cjson.encode({ changed = changed, picked = pick(now, want) })
