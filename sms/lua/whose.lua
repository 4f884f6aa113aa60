-- Find our id of a message by the vendor's. A receipt may overtake the answer of its call: then keep it for a moment,
-- and move.lua returns it when the answer is recorded.
-- ARGV: args (JSON): alias, theirs (the vendor's id), state, receipt (JSON, to keep)
-- Returns our id; '' if it is not known (yet)
local args = cjson.decode(ARGV[1])
local EARLY = 60000 -- ms; a call takes 24 s at most

local theirs_key = THEIRS .. args.alias .. ':' .. args.theirs
local found = redis.call('GET', theirs_key)
local is_receipt = found and string.sub(found, 1, 1) == '{'
if found and not is_receipt then
  return found
end
if not found or args.state == 'delivered' or args.state == 'failed' then -- a final report is worth most
  redis.call('SET', theirs_key, args.receipt, 'PX', EARLY)
end
return ''
