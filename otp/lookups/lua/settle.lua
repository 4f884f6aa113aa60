-- Record the end of a call to a vendor: keep its answers, count it, and leave the vendor out after failures in a row.
-- ARGV: args (JSON): alias, answers (each with key, value and kept (ms)), outcome:
--   answered   ends a row of failures
--   failed     one more failure
--   late       the same: no answer came before the deadline
--   ""         the answer to a call that was late: kept, not counted
-- Returns JSON: {is_left_out}, true if this call left the vendor out
--- @include "clock"
--- @include "tally"
local FAILURES_KEPT = 3600000 -- ms without another failure after which they are forgotten
local args = cjson.decode(ARGV[1])
local failures, left_out = LOOKUP_FAILURES .. args.alias, LOOKUP_LEFT_OUT .. args.alias
for _, answer in ipairs(args.answers) do
  redis.call('SET', answer.key, answer.value, 'PX', answer.kept)
end
if args.outcome == '' then
  return '{}'
end
tally(clock(), 'counts', { 'lookups|' .. args.outcome .. '|' .. args.alias, 1 })
if args.outcome == 'answered' then
  redis.call('DEL', failures, left_out)
  return '{}'
end
local row = redis.call('INCR', failures)
redis.call('PEXPIRE', failures, FAILURES_KEPT)
if row >= FEWEST_FAILURES then
  redis.call('SET', left_out, 1, 'PX', LEFT_OUT)
end
return cjson.encode({ is_left_out = row == FEWEST_FAILURES })
