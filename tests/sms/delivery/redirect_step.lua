-- luacheck: ignore 211/no_dead_letter
-- Hand a code to another alias at a given time, to look at when that is too late.
-- KEYS: record, body
-- ARGV: id, now (ms)
-- Returns 1 if it goes on.
--- @include "record"
--- @include "enter"
local record_key, body_key = KEYS[1], KEYS[2]
local id, now = ARGV[1], tonumber(ARGV[2])
return redirect(now, id, record_key, body_key, read(record_key), 0, 'a') and 1 or 0
