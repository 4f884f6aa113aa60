-- What came of asking one vendor: keep its answers, count, and leave it out where its calls fail in a row.
-- ARGV: args (JSON): alias, answers (each with its key, value and kept (ms)), outcome:
--   answered   a row of failures ends
--   failed     one more failure; so is late, which is told when nobody waits any more
--   ""         an answer that comes after that: it is kept, and counts no more
-- Returns JSON: is_left_out: whether it is by this call.
--- @include "clock"
--- @include "tally"
local FAILURES_KEPT = 3600000 -- ms without another one after which they are forgotten
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
