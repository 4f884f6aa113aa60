-- Choose the alias for one call of a message that is claimed already.
-- KEYS: record
-- ARGV: 1 = args: id, attempt that must still hold the message (nil = any), country, line (whose it would stand
--       in: its queue), turn, patience, held, candidates, breaker, probe, later (see includes/choice.lua), good
--       (alias → outcomes not yet counted)
-- Returns the alias, ms to wait, 1 if it is a probe; '' and 0 if this attempt may not send it any more.
--- @include "clock"
--- @include "record"
--- @include "choice"
local record_key = KEYS[1]
local args = cjson.decode(ARGV[1])

local now = clock()
local record = read(record_key)
if args.attempt then
  local holds = record.state == 'sending' and tonumber(record.attempts) == args.attempt
  if not holds or record.unwanted or now >= tonumber(record.expires_at) then
    return { '', 0, 0 }
  end
end
count_good(now, args.good, args.breaker)
local alias, wait, probes = choose(now, {
  id = args.id,
  key = record_key,
  queue = record.queue or '',
  line = args.line,
  country = args.country,
  asked = record.asked or '',
  turn = args.turn,
  patience = args.patience,
  held = args.held,
}, args.candidates, args)
return { alias, wait, probes and 1 or 0 }
