-- Record how calls ended, for the breakers of their aliases and for the tally.
--- @include "breaker"
--- @include "story"
--- @include "timed"
--- @include "was_left_out"

-- args:
--   id        of the message
--   attempt   that must still be its newest; nil: any
--   breaker   see breaker.lua
--   calls     what one call tells, a list of
--     alias
--     country       of the message
--     here          true: about this country alone
--     probe         true: this ends a probe
--     good, bad     outcomes, 0 or 1
--     at_once       true: open the breaker now
--     retry_after   as the vendor asked (s)
--     outcome       "" if no call was made, or another entry has it; see sms.delivery.health.Ended
--     took          ms
--     error         the vendor's word
-- Returns a map of the breakers that changed, by alias or alias:country: 1 opened, -1 closed. Then whether the attempt
-- is still the newest.
local function count_calls(now, record, args)
  local changed, breaker = {}, args.breaker
  local is_newest = not args.attempt or args.attempt == tonumber(record.attempts)
  -- Count a call once, while the record names it, even if a receipt has moved the message already.
  local first = args.calls[1]
  if not is_newest or not first or first.alias ~= record.calling then
    return changed, is_newest
  end
  local calls_made = first.good + first.bad -- 0 if a probe ended without a call
  redis.call('HSET', RECORD .. args.id, 'calling', '', 'calls', (record.calls or 0) + calls_made)
  for _, call in ipairs(args.calls) do
    local there = call.alias .. ':' .. call.country
    local name = call.here and there or call.alias
    local health_key = health_key_of(call.alias, call.here and call.country)
    if call.probe then
      redis.call('HDEL', health_key_of(call.alias), 'probe_until')
      redis.call('HDEL', health_key_of(call.alias, call.country), 'probe_until')
    end
    if call.outcome ~= '' then
      tally(now, 'counts', { table.concat({ 'calls', call.outcome, call.alias, call.country }, '|'), 1 })
      if call.error ~= '' then
        tally(now, 'words', { table.concat({ 'call', call.outcome, call.alias, call.error }, '|'), 1 })
      end
      timed(now, 'call', call.alias, call.took)
      tell_story(now, args.id, 'call_' .. call.outcome, call.alias, call.took, call.error)
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
    end
    if call.probe and was_open and call.good == 1 then -- the probe worked, so forget what came before
      redis.call('DEL', health_key)
      changed[name] = -1
      local country = call.here and call.country or ''
      local subject = table.concat({ call.alias, country, now }, '_')
      tell_event(now, 'provider.back', subject, { alias = call.alias, country = country })
    elseif opened then
      changed[name] = 1
      was_left_out(now, call.alias, call.here and call.country or '')
    end
  end
  return changed, is_newest
end
