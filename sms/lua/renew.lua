-- Keep the lease of an attempt for one more call, after one that was definitely not taken.
-- KEYS: record.  ARGV: id, attempt, lease (ms), prefix of the lease keys
-- Returns 1, or 0 if another worker has the message by now.
local time = redis.call('TIME')
local until_ = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[3])
local record = redis.call('HMGET', KEYS[1], 'state', 'attempts', 'queue', 'unwanted', 'expires_at')
if record[1] ~= 'sending' or record[2] ~= ARGV[2] or record[4]
    or until_ - tonumber(ARGV[3]) >= tonumber(record[5]) then
  return 0
end
redis.call('HSET', KEYS[1], 'lease_until', until_, 'calling', '')
redis.call('ZADD', ARGV[4] .. record[3], until_, ARGV[1])
return 1
