-- Take the event of an endpoint that has been due for longest, for the time of one call.
-- ARGV: endpoint
-- Returns the event with the number of its tries before it, "" if none is due.
--- @include "clock"
local due = WEBHOOKS_DUE .. ARGV[1]
local now = clock()
local found = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 1)[1]
if found then
  redis.call('ZADD', due, now + LEASE, found)
end
return found or ''
