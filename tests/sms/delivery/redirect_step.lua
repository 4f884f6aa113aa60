-- luacheck: ignore 211/no_dead_letter
-- Hand a code to another alias at a given time, to look at when that is too late.
-- ARGV: id, now (ms)
-- Returns 1 if it goes on.
--- @include "record"
--- @include "enter"
local id, now = ARGV[1], tonumber(ARGV[2])
return redirect(now, id, read(RECORD .. id), 0, 'a') and 1 or 0
