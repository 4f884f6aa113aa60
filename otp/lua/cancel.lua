-- Forget a code, and call its SMS back. The cooldown of its phone stays, or start and cancel would flood it.
-- KEYS: none (by id), or phone and its failures
-- ARGV: args (JSON): id, older (see includes/meant.lua), owner (none: whoever it is)
-- Returns JSON: {} if there was no live code, else {purpose, reference, called_back (record of the SMS)}.
--- @include "meant"
--- @include "call_back"
local phone, failures = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
local verification = VERIFICATION .. meant(args, phone, failures)
local status, reference, purpose, owner =
  unpack(redis.call('HMGET', verification, 'status', 'reference', 'purpose', 'owner'))
local anothers = args.owner and args.owner ~= owner
if status ~= 'pending' and status ~= 'blocked' or anothers then
  return '{}'
end
redis.call('DEL', verification)
local called_back = reference and call_back(reference) or nil
return cjson.encode({ purpose = purpose, reference = reference or nil, called_back = called_back })
