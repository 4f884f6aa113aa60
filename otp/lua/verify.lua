-- Check one guess, and count it or consume the code. Recalls the SMS of a code that has ended.
-- The order: a live code with attempts left, then the limits on wrong guesses of the caller's address or API key, then
-- the comparison. With `vouched` nothing is compared: the caller vouches that the code is right.
-- KEYS: phone, failures (by phone), or none (by id)
-- ARGV: args (JSON): id, older (see includes/meant.lua), and those of includes/guess.lua
-- Returns JSON: as includes/guess.lua
--- @include "clock"
--- @include "meant"
--- @include "guess"
local phone, failures = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
return cjson.encode(guess(clock(), meant(args, phone, failures), args))
