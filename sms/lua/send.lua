-- Accept a message, unless it would have to wait for too long: then nothing is written.
-- ARGV: args (JSON): message (see includes/overload.lua and includes/accept.lua), expires_at (ms) or lifetime (ms
--       from now), replaces (id of a message to call back, or "")
-- Returns JSON: {wait}, or {created_at, expires_at (ms), called_back (record of the replaced message)}.
--- @include "clock"
--- @include "overload"
--- @include "accept"
--- @include "call_back"
local args = cjson.decode(ARGV[1])
local now = clock()

local wait = overload(now, args.message)
if wait then
  return cjson.encode({ wait = wait })
end
local expires_at = args.expires_at or now + args.lifetime
accept(now, args.message, expires_at)
local called_back = args.replaces ~= '' and call_back(args.replaces) or nil
return cjson.encode({ created_at = now, expires_at = expires_at, called_back = called_back })
