-- The newest verification of a phone, or that of an id, for whoever wants to send its code once more.
-- KEYS: phone, its failures (none: by id)
-- ARGV: args (JSON): id ("" = the newest of the phone), older (see includes/carry.lua)
-- Returns JSON: {now (ms), id, and of the verification: status, seed, by_id, created_at, owner, envelope}.
--- @include "clock"
--- @include "carry"
local phone, failures = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
local id = args.id
if phone then
  carry(phone, failures, args.older)
  id = redis.call('HGET', phone, 'id') or ''
end
local answer = { now = clock(), id = id }
local names = { 'status', 'seed', 'by_id', 'created_at', 'owner', 'envelope' }
for i, value in ipairs(redis.call('HMGET', VERIFICATION .. id, unpack(names))) do
  answer[names[i]] = value or nil
end
return cjson.encode(answer)
