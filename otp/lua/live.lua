-- Read a verification, by id or as the newest of a phone, before its code is sent again.
-- KEYS: phone, failures (by phone), or none (by id)
-- ARGV: args (JSON): id, older (see includes/meant.lua), owner (the API key that must own it; none: any)
-- Returns JSON: now (ms) and id, and these fields of the verification, if it is found:
--   status, seed, by_id, envelope, owner
--   created_at, expires_at   ms
--   tried, asked             channels, with commas between
--   session                  id of its session on the hosted pages
--   reverse                  '1' if the user is to send the code to us
--- @include "clock"
--- @include "meant"
local phone, failures = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
local id = meant(args, phone, failures)
local verification = VERIFICATION .. id
local answer = { now = clock(), id = id }
if not args.owner or args.owner == redis.call('HGET', verification, 'owner') then
  local names = {
    'status',
    'seed',
    'by_id',
    'created_at',
    'expires_at',
    'envelope',
    'tried',
    'asked',
    'owner',
    'session',
    'reverse',
  }
  for i, value in ipairs(redis.call('HMGET', verification, unpack(names))) do
    answer[names[i]] = value or nil
  end
end
return cjson.encode(answer)
