-- Cancel a verification and recall its SMS.
-- The phone's cooldown stays: otherwise a loop of start and cancel could flood it with SMS.
-- KEYS: phone, failures (to find the verification by phone), or none (by id)
-- ARGV: args (JSON): id, older (see includes/meant.lua), owner (the API key that must own it; none: any)
-- Returns JSON: {} if no code was live, else
--   purpose
--   caller_reference   the caller's own reference
--   reference          message id of the SMS
--   called_back        record of the SMS, if it was recalled before it was sent
--- @include "clock"
--- @include "meant"
--- @include "call_back"
--- @include "tell_end"
local phone, failures = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
local id = meant(args, phone, failures)
local verification = VERIFICATION .. id
local status, reference, caller_reference, purpose, owner, session = unpack(
  redis.call('HMGET', verification, 'status', 'reference', 'caller_reference', 'purpose', 'owner', 'session')
)
local belongs_to_another = args.owner and args.owner ~= owner
if status ~= 'pending' and status ~= 'blocked' or belongs_to_another then
  return '{}'
end
redis.call('DEL', verification)
local now = clock()
local called_back = reference and call_back(now, reference, 'dead') or nil
tally(now, 'counts', { 'cancelled|' .. purpose, 1 })
if reference and reference ~= '' then
  tell_story(now, reference, 'cancelled_by_caller', '', 0, '')
end
tell_end(
  now,
  id,
  'cancelled',
  'cancelled',
  { verification_id = id, purpose = purpose, message_id = reference or nil, session_id = session or nil }
)
return cjson.encode({
  purpose = purpose,
  caller_reference = caller_reference or nil,
  reference = reference or nil,
  called_back = called_back,
})
