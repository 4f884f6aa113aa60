-- Recall a message that no worker has taken yet.
-- ARGV: its id; 'dead' if its code cannot be used any more, else '': see includes/call_back.lua
-- Returns its record (JSON); "" if it is too late
--- @include "clock"
--- @include "call_back"
local id, why = ARGV[1], ARGV[2]
local record = call_back(clock(), id, why)
return record and cjson.encode(record) or ''
