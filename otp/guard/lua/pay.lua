-- Correct what a message costs, once for each provider that bills it: in today's budget and in the tally.
-- If the message is in a cell, this runs twice: there to mark it, then in the hub to count the money.
-- ARGV: args (JSON), money in millionths:
--   to mark it:
--     id           of the message
--     part         field of the message's record that marks this as done: paid, or paid_again after a redirect
--   to count the money:
--     counted_at   when the start was counted (ms)
--     more         to add to today's budget; negative: a reservation to give back
--     spent        to add to the tally, which counts no reservations
--     country
-- Returns 1; 0 if it was marked before
--- @include "clock"
--- @include "counts"
--- @include "spend"
--- @include "tally"
local args = cjson.decode(ARGV[1])
if args.id then
  local record_key = RECORD .. args.id
  if
    redis.call('HEXISTS', record_key, 'state') == 0 or redis.call('HSETNX', record_key, args.part, 1) == 0
  then
    return 0
  end
end
if not args.country then
  return 1
end
local now = clock()
local more = args.more
if more < 0 and math.floor(args.counted_at / LENGTH[DAY]) ~= math.floor(now / LENGTH[DAY]) then
  more = 0 -- another day's budget reserved it
end
if more ~= 0 then
  add_spent(now, more)
end
if args.spent > 0 then
  tally(now, 'counts', { 'spent|' .. args.country, args.spent })
end
return 1
