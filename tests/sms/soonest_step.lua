-- luacheck: ignore 211/overload
-- Look at how soon the first alias of a route may be asked.
-- ARGV: 1 = args: now (ms), aliases (see includes/overload.lua)
-- Returns ms, and 1 if that alias is left out.
--- @include "overload"
local args = cjson.decode(ARGV[1])
local wait, shut = soonest_call(args.now, args.aliases)
return { wait, shut and 1 or 0 }
