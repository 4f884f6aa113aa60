-- A message stands in one line at most; its record names the key of it.
local function leave_line(record_key, id)
  local line_key = redis.call('HGET', record_key, 'line')
  if line_key then
    redis.call('ZREM', line_key, id)
    redis.call('HDEL', record_key, 'line')
  end
end
