-- Record how calls ended, for the breakers of their aliases and for the tally.
--- @include "judge_call"
--- @include "story"
--- @include "timed"

-- args:
--   id        of the message
--   attempt   that must still be its newest; nil: any
--   breaker   see breaker.lua
--   apart     true: the breakers are in the hub, see ../pick.lua
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
-- Returns a map of the breakers that changed, see judge_call.lua; whether the attempt is still the newest; and whether
-- the calls were counted.
local function count_calls(now, record, args)
  local changed = {}
  local is_newest = not args.attempt or args.attempt == tonumber(record.attempts)
  -- Count a call once, while the record names it, even if a receipt has moved the message already.
  local first = args.calls[1]
  if not is_newest or not first or first.alias ~= record.calling then
    return changed, is_newest, false
  end
  local calls_made = first.good + first.bad -- 0 if a probe ended without a call
  redis.call('HSET', RECORD .. args.id, 'calling', '', 'calls', (record.calls or 0) + calls_made)
  for _, call in ipairs(args.calls) do
    if call.outcome ~= '' then
      tally(now, 'counts', { table.concat({ 'calls', call.outcome, call.alias, call.country }, '|'), 1 })
      if call.error ~= '' then
        tally(now, 'words', { table.concat({ 'call', call.outcome, call.alias, call.error }, '|'), 1 })
      end
      timed(now, 'call', call.alias, call.took)
      tell_story(now, args.id, 'call_' .. call.outcome, call.alias, call.took, call.error)
    end
    if not args.apart then
      judge_call(now, call, args.breaker, changed)
    end
  end
  return changed, is_newest, true
end
