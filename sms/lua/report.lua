-- Tell how a call to an alias ended that did not settle its message.
-- KEYS: record of the message
-- ARGV: 1 = args: call (see includes/report.lua), breaker (see includes/breaker.lua), refused (the attempt that the
--       alias did definitely not take; nil = another outcome): if its worker dies from now on, nothing is unknown
-- Returns 1 if this opened the breaker, -1 if it closed it, else 0.
--- @include "clock"
--- @include "report"
local record_key = KEYS[1]
local args = cjson.decode(ARGV[1])

if args.refused and tonumber(redis.call('HGET', record_key, 'attempts') or 0) == args.refused then
  redis.call('HSET', record_key, 'calling', '')
end
return report(clock(), args.call, args.breaker)
