-- Choose the alias for the next call of a claimed message, and renew its lease for that call.
-- ARGV: args (JSON):
--   id
--   attempt          that must still hold the message
--   calls, breaker   how the last call ended, see includes/count_calls.lua
--   hops, parts, failed, aliases   see includes/pick.lua
--   unknown          the alias in hops may have the message already, and is asked again
--   marks            see includes/opted_out.lua
--   apart            true: breakers, rates and opt-outs are in the hub, so choose nothing here
-- Returns JSON:
--   changed   see includes/count_calls.lua
--   chosen    see includes/note_choice.lua; nil: do not send
--   counted, record   with `apart`; the record only if the message may be sent
--- @include "clock"
--- @include "record"
--- @include "count_calls"
--- @include "choice"
--- @include "opted_out"
local args = cjson.decode(ARGV[1])

local now, id = clock(), args.id
local record_key = RECORD .. id
local record = read(record_key)
local changed, is_newest, counted = count_calls(now, record, args)
if record.state ~= 'sending' or not is_newest then
  return cjson.encode({ changed = changed, counted = counted })
end
-- The aliases asked so far definitely did not take it. If the worker dies now, the outcome is still known.
local calling = args.unknown and args.hops or ''
redis.call('HSET', record_key, 'lease_until', now + LEASE, 'calling', calling, 'overdue', '')
redis.call('ZADD', LEASES .. record.queue, now + LEASE, id)
if record.unwanted or now >= tonumber(record.expires_at) then
  return cjson.encode({ changed = changed, counted = counted })
end
if args.apart then
  return cjson.encode({ changed = changed, counted = counted, record = record })
end
local hops = not_opted_out(now, args.hops, args.marks)
if hops == '' and args.hops ~= '' then
  return cjson.encode({
    changed = changed,
    chosen = { alias = '', wait = 0, probe = false, opted_out = true },
  })
end
local chosen = choose(now, {
  id = id,
  record = record,
  repeats = args.unknown,
  hops = hops,
  parts = args.parts,
  failed = args.failed,
  aliases = args.aliases,
})
return cjson.encode({ changed = changed, chosen = chosen })
