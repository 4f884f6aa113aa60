-- Send a dead letter of an endpoint again, with all its tries.
-- ARGV: endpoint, dead letter (as it is kept), event (as it is to wait)
-- Returns 1; 0 if the dead letter is gone
--- @include "clock"
local endpoint, letter, event = unpack(ARGV)
if redis.call('ZREM', WEBHOOKS_DEAD .. endpoint, letter) == 0 then
  return 0
end
local due = WEBHOOKS_DUE .. endpoint
redis.call('ZADD', due, clock(), event)
redis.call('PEXPIRE', due, KEPT)
return 1
