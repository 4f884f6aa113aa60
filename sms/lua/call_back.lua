-- Call a message back that no worker has taken yet.
-- ARGV: its id
-- Returns its record as JSON, "" if it cannot be called back any more.
--- @include "clock"
--- @include "call_back"
local id = ARGV[1]
local record = call_back(clock(), id, 'dead')
return record and cjson.encode(record) or ''
