-- Claim the event of an endpoint that has been due for longest. The claim lasts for one call.
-- ARGV: endpoint
-- Returns the event after the number of earlier tries; "" if none is due
--- @include "clock"
local due = WEBHOOKS_DUE .. ARGV[1]
local now = clock()
local found = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 1)[1]
if found then
  redis.call('ZADD', due, now + LEASE, found)
end
return found or ''
