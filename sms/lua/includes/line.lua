-- Take a message out of its line. It stands in one at most, whose key is in its record.
local function leave_line(record_key, id)
  local line_key = redis.call('HGET', record_key, 'line')
  if line_key then
    redis.call('ZREM', line_key, id)
    redis.call('HDEL', record_key, 'line')
  end
end
