-- Send the events of verifications that have expired: no script runs when a code dies.
-- KEYS: mark of the pending sweep, time since which no sweep was run
-- ARGV: most
-- Returns how many there were
--- @include "clock"
--- @include "event"
redis.call('DEL', KEYS[1], KEYS[2])
local now = clock()
local ids = redis.call('ZRANGEBYSCORE', VERIFICATIONS_END, '-inf', now - 1, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #ids, 2 do
  local id, ended_at = ids[i], tonumber(ids[i + 1])
  local data = redis.call('HGET', VERIFICATIONS_TOLD, id)
  redis.call('ZREM', VERIFICATIONS_END, id)
  redis.call('HDEL', VERIFICATIONS_TOLD, id)
  if data then
    data = cjson.decode(data)
    data.status = 'expired'
    tell_event(ended_at, 'verification.expired', id, data)
  end
end
return #ids / 2
