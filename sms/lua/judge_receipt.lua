-- In the hub: count a receipt for the breaker of its alias, see includes/judge_receipt.lua.
-- ARGV: args (JSON): alias, country, hops, is_bad, breaker
-- Returns JSON: {left_out}, true if this opened the breaker
--- @include "clock"
--- @include "judge_receipt"
local args = cjson.decode(ARGV[1])
local opened = judge_receipt(clock(), args.alias, args.country, args.hops, args.is_bad, args.breaker)
return cjson.encode({ left_out = opened })
