-- Let a dead letter of an endpoint be sent again, with all of its tries.
-- ARGV: endpoint; dead letter (as it lies there); event (as it is to wait)
-- Returns 1, or 0 if it lies there no more.
--- @include "clock"
local endpoint, letter, event = unpack(ARGV)
if redis.call('ZREM', WEBHOOKS_DEAD .. endpoint, letter) == 0 then
  return 0
end
local due = WEBHOOKS_DUE .. endpoint
redis.call('ZADD', due, clock(), event)
redis.call('PEXPIRE', due, KEPT)
return 1
