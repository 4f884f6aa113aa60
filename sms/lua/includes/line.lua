-- A message stands in one line at most; its record names the key of it.
local function leave_line(record, id)
  local line = redis.call('HGET', record, 'line')
  if line then
    redis.call('ZREM', line, id)
    redis.call('HDEL', record, 'line')
  end
end
