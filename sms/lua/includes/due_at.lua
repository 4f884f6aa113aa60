-- A message is due again at a time (ms): from then on anybody may claim it.
local function due_at(id, record_key, queue, time)
  redis.call('HSET', record_key, 'not_before', time)
  redis.call('ZADD', LEASES .. queue, time, id)
end
