-- Record how a call to an endpoint ended.
-- ARGV:
--   endpoint
--   claimed   the event as claim.lua returned it
--   id        of the event
--   type      of the event
--   at        when the event happened (ms)
--   outcome   delivered, retried or dead
--   left      the event to keep waiting or as a dead letter; "" if it is done
--   why       one word for what broke; "" if nothing did
--   wait      ms until it is due again
-- Returns 1; 0 if this claim ran out and another call has ended it
--- @include "clock"
--- @include "tally"
local endpoint, claimed, id, type, at, outcome, left, why, wait = unpack(ARGV)
local now = clock()
local due, dead = WEBHOOKS_DUE .. endpoint, WEBHOOKS_DEAD .. endpoint
local late, last_error = WEBHOOKS_LATE .. endpoint, WEBHOOKS_ERROR .. endpoint
if redis.call('ZREM', due, claimed) == 0 then
  return 0
end
if outcome == 'retried' then
  redis.call('ZADD', due, now + wait, left)
  redis.call('PEXPIRE', due, KEPT)
  redis.call('ZADD', late, at, id)
  redis.call('PEXPIRE', late, KEPT)
else
  redis.call('ZREM', late, id)
end
if outcome == 'dead' then
  redis.call('ZADD', dead, now, left)
  redis.call('ZREMRANGEBYSCORE', dead, '-inf', now - KEPT)
  redis.call('ZREMRANGEBYRANK', dead, 0, -MOST_DEAD - 1)
  redis.call('PEXPIRE', dead, KEPT)
end
if why ~= '' then
  redis.call('SET', last_error, string.format('%d %s', now, why), 'PX', KEPT)
end
tally(now, 'counts', { 'events|' .. outcome .. '|' .. type, 1 })
return 1
