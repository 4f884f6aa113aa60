-- A message waits for nothing any more.
--- @include "line"

local function waits_no_more(id, record_key, queue)
  redis.call('ZREM', LEASES .. queue, id)
  redis.call('ZREM', WAITING .. queue, id)
  leave_line(record_key, id)
end
