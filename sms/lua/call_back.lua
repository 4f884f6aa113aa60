-- Recall a message that no worker has taken yet.
-- ARGV: its id
-- Returns its record (JSON); "" if it is too late
--- @include "clock"
--- @include "call_back"
local id = ARGV[1]
local record = call_back(clock(), id, 'dead')
return record and cjson.encode(record) or ''
