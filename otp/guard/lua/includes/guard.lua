-- The pumping guard: how many sends of a country, a prefix, an address stayed unverified, and whether one more may go.
--
--   guard_library().refuses(now, ask)       nil, or a refusal; writes nothing
--   guard_library().enforces(ask, refusal)  whether a refusal counts, or is only told (shadow, allowed)
--   guard_library().note(now, refusal)      counts a refusal, for the eyes of the operator
--   guard_library().sent(now, ask)          counts one send; returns the text from which ...
--   guard_library().verified(now, text)     ... counts that it was verified
--
-- ask: mode; figures (otp.guard.settings.Figures); allowed (whether GUARD_ALLOW names the number); price of all its
--      parts, and budget (millionths); address (its digest, or ""); phones (digests under each secret, the newest first);
--      counts (1, or 0 where no SMS goes out); country, and where the number has them coarse and fine (its two prefixes);
--      start (the number without its last six digits); tags (of its two longer prefixes, the longer one's first)
-- A refusal is a map: reason, wait (ms), allowed. Its reason is "<word> <scope>", the word one of blocked, budget,
-- countries, hour, day, fortnight; of what an operator allowed "allowed-<word> <scope>".
--
-- What stands in Redis, all of it with a TTL (GUARD, GUARD_FAN and so on: see otp/names.py):
--   otp:guard:<scope>         string  numbers, see counts.lua; <scope> is a country, a +prefix (its last two digits as a
--                                     keyed digest, if it is the fine one), "new" (all countries without proof) or
--                                     "ip:<keyed digest>"
--   otp:guard-fan:<digest>    string  countries of an address that nobody has verified, with times
--   otp:guard-known:<digest>  string  of a phone that verified: ms of when, sends to it since
--   otp:guard-spend           string  day (since the epoch), spent (millionths)
--   otp:guard-rules           hash    scope -> "allow <until ms>" or "block <until ms>"

local function make_guard()
  --- @include "texts"
  --- @include "counts"
  --- @include "caps"
  --- @include "rules"
  --- @include "budget"
  --- @include "known"
  --- @include "address"
  --- @include "decision"
  --- @include "verified"
  return {
    refuses = refuses,
    enforces = enforces,
    note = note_refusal,
    sent = count_send,
    verified = count_verified,
  }
end

-- Its many functions are made where the first of them is called. Made in every script, a code and its check were 2.74
-- times as fast as the baseline of `make bench ARGS="--only handler"`, so 3.16 (single quick runs).
local guard_made
local function guard_library()
  guard_made = guard_made or make_guard()
  return guard_made
end
