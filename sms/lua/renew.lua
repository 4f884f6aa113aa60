-- Keep the lease of an attempt for one more call, after one that was definitely not taken.
-- KEYS: record
-- ARGV: id, attempt
-- Returns 1, or 0 if it may not be sent any more, or another worker has it by now.
--- @include "clock"
--- @include "record"
local record_key = KEYS[1]
local id, attempt = ARGV[1], ARGV[2]

local now = clock()
local record = read(record_key)
local holds = record.state == 'sending' and record.attempts == attempt
if not holds or record.unwanted or now >= tonumber(record.expires_at) then
  return 0
end
redis.call('HSET', record_key, 'lease_until', now + LEASE, 'calling', '')
redis.call('ZADD', LEASES .. record.queue, now + LEASE, id)
return 1
