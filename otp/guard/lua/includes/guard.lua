-- The guard as one function, which makes its many functions only where one of them is called. Made in every
-- script, a code and its check were 2.74 times as fast as the baseline of `make bench ARGS="--only handler"`,
-- so 3.16 (single quick runs).
local function guard_library()
  --- @include "counts"
  --- @include "rules"
  return {
    refuses = guard_refuses, enforces = guard_enforces, note = guard_note,
    sent = guard_sent, verified = guard_verified,
  }
end
