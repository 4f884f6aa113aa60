-- Write a message: its record, its sealed text and its lease; drop the one that it replaces.
-- KEYS: record, body, leases, record of the replaced message, body of it
-- ARGV: id, sealed text, expires_at (ms; "" = lifetime from now), lifetime (ms), record kept (ms),
--       grace until a sweep looks for it (ms), id of the replaced message, field, value, ...
-- Returns created_at, expires_at (ms), 1 if the replaced message was cancelled by this.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires_at = tonumber(ARGV[3]) or now + tonumber(ARGV[4])

local cancelled = 0
local replaced = redis.call('HMGET', KEYS[4], 'state', 'unknowns')
if replaced[1] == 'queued' then
  redis.call('HSET', KEYS[4], 'state', replaced[2] == '0' and 'cancelled' or 'unknown')
  redis.call('DEL', KEYS[5])
  redis.call('ZREM', KEYS[3], ARGV[7])
  cancelled = 1
elseif replaced[1] == 'sending' then
  redis.call('HSET', KEYS[4], 'unwanted', 1) -- its attempt is the last, see move.lua and claim.lua
end

redis.call('HSET', KEYS[1], 'state', 'queued', 'attempts', 0, 'unknowns', 0,
  'created_at', now, 'expires_at', expires_at, unpack(ARGV, 8))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
-- The text dies with the code even if nobody ever claims the message.
redis.call('SET', KEYS[2], ARGV[2], 'PX', math.max(expires_at - now, 1))
redis.call('ZADD', KEYS[3], now + tonumber(ARGV[6]), ARGV[1])
return {now, expires_at, cancelled}
