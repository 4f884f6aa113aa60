-- Call a message back that no worker has taken yet.
-- ARGV: its id
-- Returns its record as JSON, "" if it cannot be called back any more.
--- @include "call_back"
local record = call_back(ARGV[1])
return record and cjson.encode(record) or ''
