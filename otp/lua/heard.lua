-- Check the code in an SMS that a user sent to us against the phone's reverse verifications, of every purpose.
-- A code that matches none of them counts as a wrong guess at each.
-- ARGV: args (JSON):
--   only_right        true: do nothing if it matches none of them
--   hub               see includes/guess.lua
--   phones            one entry for each purpose:
--     phone, failures   keys
--     older             keys under older secrets, see includes/carry.lua
--     guesses           digests of the code, one for each secret
-- Returns JSON: {answers}, a list of what includes/guess.lua returns; empty if no verification waits
--- @include "clock"
--- @include "carry"
--- @include "guess"
local args = cjson.decode(ARGV[1])
local now = clock()

local waiting, right = {}, nil
for _, of in ipairs(args.phones) do
  carry(of.phone, of.failures, of.older)
  local id = redis.call('HGET', of.phone, 'id') or ''
  local digest = redis.call('HGET', VERIFICATION .. id, 'by_sms') -- removed when the verification ends
  if digest then
    local one = { id = id, guesses = of.guesses }
    table.insert(waiting, one)
    for _, guessed in ipairs(of.guesses) do
      right = right or guessed == digest and one or nil
    end
  end
end

local answers = {}
for _, one in ipairs(right and { right } or args.only_right and {} or waiting) do
  local about = { by = 'by_sms', guesses = one.guesses, limits = {}, hub = args.hub }
  table.insert(answers, guess(now, one.id, about))
end
return cjson.encode({ answers = answers })
