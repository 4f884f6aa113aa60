-- In the hub: what a message in another cell must know to be accepted. See send.lua.
-- ARGV: args (JSON):
--   aliases   see includes/outlook.lua
--   hops      aliases of its route, with commas between
--   marks     see includes/opted_out.lua
-- Returns JSON: outlook (see includes/outlook.lua), opted_out (true: its number, from every alias)
--- @include "clock"
--- @include "outlook"
--- @include "opted_out"
local args = cjson.decode(ARGV[1])
local now = clock()
return cjson.encode({
  outlook = outlook_of(now, args.aliases),
  opted_out = #args.marks > 0 and not_opted_out(now, args.hops, args.marks) == '',
})
