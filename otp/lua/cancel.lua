-- Forget a code, and call its SMS back. The cooldown of its phone stays, or start and cancel would flood it.
-- KEYS: the verification; or phone (then its newest one is meant) and its failures
-- ARGV: args (JSON): by (by_id or by_phone), older (see includes/carry.lua), owner (none: whoever it is)
-- Returns JSON: {} if there was no live code, else {id, purpose, reference, called_back (record of the SMS)}.
--- @include "carry"
--- @include "call_back"
local args = cjson.decode(ARGV[1])
local verification, id = KEYS[1], ''
if args.by == 'by_phone' then
  local phone, failures = KEYS[1], KEYS[2]
  carry(phone, failures, args.older)
  id = redis.call('HGET', phone, 'id') or ''
  verification = VERIFICATION .. id
end
local status, reference, purpose, owner =
  unpack(redis.call('HMGET', verification, 'status', 'reference', 'purpose', 'owner'))
local anothers = args.owner and args.owner ~= owner
if status ~= 'pending' and status ~= 'blocked' or anothers then
  return '{}'
end
redis.call('DEL', verification)
local called_back = reference and call_back(reference)
return cjson.encode({
  id = id,
  purpose = purpose,
  reference = reference or nil,
  called_back = called_back or nil,
})
