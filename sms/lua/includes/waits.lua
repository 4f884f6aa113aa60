--- @include "line"
-- A message is due again at a time (ms): from then on anybody may claim it.
local function due_at(id, record_key, queue, time)
  redis.call('HSET', record_key, 'not_before', time)
  redis.call('ZADD', LEASES .. queue, time, id)
end

-- A message waits for nothing any more.
local function waits_no_more(id, record_key, queue)
  redis.call('ZREM', LEASES .. queue, id)
  redis.call('ZREM', WAITING .. queue, id)
  leave_line(record_key, id)
end
