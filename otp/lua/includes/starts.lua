-- How starts and resends ended, for the tally: "starts|<outcome>|<purpose>|<country>|<API key>".
--- @include "channel"
--- @include "tally"
--- @include "event"
local QUIET = 60000 -- ms between two events of one reason and country: an attack is refused a thousand times a second
local OUTCOMES = { pending = 'cooldown', blocked = 'pause' }

-- Tell the receivers of WEBHOOKS what the guard has refused. Not the prefix or the address that it names.
local function tell_refused(now, reason, labels, message)
  local purpose, country = string.match(labels, '^([^|]*)|([^|]*)')
  local mark = GUARD_TOLD .. reason .. ':' .. country
  if string.find(EVENTS, ';guard.', 1, true) and redis.call('SET', mark, 1, 'NX', 'PX', QUIET) then
    local subject = table.concat({ reason, country, now }, '_')
    tell_event(now, 'guard.refused', subject, {
      reason = reason,
      country = country,
      purpose = purpose,
      channel = channel_of(message and message.fields or {}),
    })
  end
end

-- The answer that refuses. args: limits, and labels: purpose, country and API key with | between.
local function refuse(now, args, refused)
  local outcome = OUTCOMES[refused.status] or refused.status
  if refused.limit then
    outcome = 'limit:' .. string.match(args.limits[refused.limit + 1].key, 'otp:limit:([^:]+)')
  elseif refused.refusal then
    local reason = string.match(refused.refusal.reason, '^%S+')
    outcome = 'guard:' .. reason
    tell_refused(now, reason, args.labels, args.message)
  end
  tally(now, 'counts', { 'starts|' .. outcome .. '|' .. args.labels, 1 })
  return cjson.encode(refused)
end
