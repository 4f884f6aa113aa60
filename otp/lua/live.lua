-- The newest verification of a phone, or that of an id, for whoever wants to send its code once more.
-- KEYS: none (by id), or phone and its failures
-- ARGV: args (JSON): id, older (see includes/meant.lua), owner (none: whoever it is)
-- Returns JSON: {now (ms), id, and of the verification: status, seed, by_id, created_at, expires_at, envelope, tried, asked,
--         owner, session, reverse}.
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
