-- Count how a call ended for the breaker of its alias.
--- @include "breaker"
--- @include "was_left_out"

-- call: see count_calls.lua
-- changed: gets the breaker if it changed, by alias or alias:country: 1 opened, -1 closed
local function judge_call(now, call, breaker, changed)
  local country = call.here and call.country or nil
  local name = country and call.alias .. ':' .. country or call.alias
  local health_key = health_key_of(call.alias, country)
  if call.probe then
    redis.call('HDEL', health_key_of(call.alias), 'probe_until')
    redis.call('HDEL', health_key_of(call.alias, call.country), 'probe_until')
  end
  local opened, was_open = observe(health_key, now, call.good, call.bad, breaker)
  if call.at_once then
    open_breaker(health_key, now, breaker, was_open)
    opened = not was_open
  end
  if call.retry_after > 0 then
    -- Keep the latest time: answers cross, and the last to arrive does not know best.
    local retry_at = now + math.floor(call.retry_after * 1000)
    local latest = tonumber(redis.call('HGET', health_key, 'hold_until') or 0)
    redis.call('HSET', health_key, 'hold_until', math.max(latest, retry_at))
    list_left_out(health_key, now, breaker)
  end
  if call.probe and was_open and call.good == 1 then -- the probe worked, so forget what came before
    redis.call('DEL', health_key)
    changed[name] = -1
    local subject = table.concat({ call.alias, country or '', now }, '_')
    tell_event(now, 'provider.back', subject, { alias = call.alias, country = country or '' })
  elseif opened then
    changed[name] = 1
    was_left_out(now, call.alias, country or '')
  end
end
