--- @include "breaker"
-- Count how a call ended. call: health (the alias, or alias:country), probes (all for which it was a probe that is
-- over), good, bad (outcomes), at_once (open now), hold (ms that the vendor asked for, 0 = none)
-- Returns 1 if this opened the breaker, -1 if it closed it, else 0.
local function report(now, call, breaker)
  local health_key = HEALTH .. call.health
  for _, name in ipairs(call.probes) do
    redis.call('HDEL', HEALTH .. name, 'probe_until')
  end
  local was_open = redis.call('HEXISTS', health_key, 'open_until') == 1
  local opened = observe(health_key, now, call.good, call.bad, breaker)
  if call.at_once then
    redis.call('HSET', health_key, 'open_until', now + breaker.pause)
    redis.call('HDEL', health_key, 'probe_until')
    return was_open and 0 or 1
  end
  if call.hold > 0 then
    -- The longest of them: answers cross, and the latest is not the one that knows best.
    local held = tonumber(redis.call('HGET', health_key, 'hold_until') or 0)
    redis.call('HSET', health_key, 'hold_until', math.max(held, now + call.hold))
  end
  if was_open and call.good == 1 then
    -- The probe worked: what was before it counts no more.
    redis.call('DEL', health_key)
    return -1
  end
  return opened and 1 or 0
end
