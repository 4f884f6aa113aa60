-- Look at how soon the first alias of a route may be asked.
-- ARGV: 1 = args: now (ms), aliases (see includes/outlook.lua)
-- Returns ms, and 1 if that alias is left out.
--- @include "outlook"
local args = cjson.decode(ARGV[1])
local outlook = outlook_of(args.now, args.aliases)
return { outlook.wait, outlook.shut and 1 or 0 }
