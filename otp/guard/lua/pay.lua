-- Settle what a provider's part in a message costs, once: in the money of today and in the tally.
-- ARGV: args (JSON): id, part (the field of the message's record that says that it is settled), counted_at (ms: when its
--       start was counted), more (millionths for today; under 0: what was reserved for nothing), spent (for the tally, which
--       counts nothing that is only reserved), country
--- @include "clock"
--- @include "counts"
--- @include "money"
--- @include "tally"
local args = cjson.decode(ARGV[1])
local record_key = RECORD .. args.id
if redis.call('HEXISTS', record_key, 'state') == 0 or redis.call('HSETNX', record_key, args.part, 1) == 0 then
  return
end
local now = clock()
local today, more = math.floor(now / LENGTH[DAY]), args.more
if more < 0 and math.floor(args.counted_at / LENGTH[DAY]) ~= today then
  more = 0 -- it was reserved of the money of another day
end
if more ~= 0 then
  local spent = math.max(spent_today(redis.call('GET', GUARD_SPEND), now) + more, 0)
  redis.call('SET', GUARD_SPEND, string.format('%d %d', today, spent), 'PX', 2 * LENGTH[DAY])
end
if args.spent > 0 then
  tally(now, 'counts', { 'spent|' .. args.country, args.spent })
end
