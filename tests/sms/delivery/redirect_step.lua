-- Hand a code to another alias at a given time, to look at when that is too late.
-- ARGV: id, now (ms)
-- Returns 1 if it goes on.
--- @include "record"
--- @include "redirect"
local id, now = ARGV[1], tonumber(ARGV[2])
return redirect(now, id, read(RECORD .. id), 'a') and 1 or 0
