-- One guess: is there a live code, may it still be guessed, did the same address or key guess wrong too often
-- elsewhere, is it right; count or consume. Or no guess: whoever asks vouches that it is right. The SMS of a code that is
-- over is called back.
-- KEYS: none (by id), or phone and its failures
-- ARGV: args (JSON): id, older (see includes/meant.lua), and those of includes/guess.lua
-- Returns JSON: as includes/guess.lua
--- @include "clock"
--- @include "meant"
--- @include "guess"
local phone, failures = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
return cjson.encode(guess(clock(), meant(args, phone, failures), args))
