-- Write down how a call of an endpoint ended.
-- ARGV: endpoint; claimed (the event as claim.lua returned it); its id, type and at (its own time, ms); outcome
--       (delivered, retried, dead); left (the event as it waits or lies from now on, "" if it is done with); why (the word
--       for what broke, "" if nothing did); wait (ms until it is due again)
-- Returns 1, or 0 if another call has ended it, after the time of this one was over.
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
