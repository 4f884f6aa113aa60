-- Count how starts and resends ended: "starts|<outcome>|<purpose>|<country>|<API key>" in the tally.
--- @include "channel"
--- @include "tally"
--- @include "event"
local QUIET = 60000 -- ms between two events of one reason and country; an attack may be refused 1,000 times a second
local OUTCOMES = { pending = 'cooldown', blocked = 'pause' }

-- Send an event about a refusal of the guard to WEBHOOKS. It leaves out the prefix or address in the reason.
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

-- Count a refusal and return it as JSON.
-- args: limits, labels ("<purpose>|<country>|<API key>")
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
