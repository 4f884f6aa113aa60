-- Accept a message, or refuse it: its number has opted out, or it would have to wait too long.
-- ARGV: args (JSON):
--   message      see includes/overload.lua and includes/accept.lua
--   expires_at   ms; or lifetime, ms from now
--   replaces     id of a message to recall, or ""
--   marks        see includes/opted_out.lua; none where opted_out is known from the hub
--   opted_out    true: from every alias of its route
-- Returns JSON: {opted_out = true}, {wait (ms)}, or {created_at, expires_at (ms), called_back}, the record of the
-- recalled message
--- @include "clock"
--- @include "overload"
--- @include "accept"
--- @include "call_back"
--- @include "opted_out"
--- @include "tally"
local args = cjson.decode(ARGV[1])
local now = clock()

local function count_refused(why)
  local fields = args.message.fields
  tally(
    now,
    'counts',
    { 'messages|refused:' .. why .. '||' .. (fields.country or '') .. '|' .. args.message.queue, 1 }
  )
end

if args.opted_out or args.marks and not_opted_out(now, args.message.fields.hops, args.marks) == '' then
  count_refused('opted_out')
  return cjson.encode({ opted_out = true })
end
local wait = overload(now, args.message)
if wait then
  count_refused('overloaded')
  return cjson.encode({ wait = wait })
end
local expires_at = args.expires_at or now + args.lifetime
accept(now, args.message, expires_at)
local called_back = args.replaces ~= '' and call_back(now, args.replaces) or nil
return cjson.encode({ created_at = now, expires_at = expires_at, called_back = called_back })
