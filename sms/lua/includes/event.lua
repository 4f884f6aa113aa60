-- Write events for WEBHOOKS in the same step as the change, so that none is lost. See sms.webhooks.
-- Python sets two values. EVENTS has ";type=endpoint" for each event that an endpoint takes ("" without endpoints).
-- MOST_EVENTS is how many may wait for an endpoint in a cell, so that one that is away for days does not fill the
-- server.
--- @include "tally"
local EVENTS_KEPT = 604800000 -- ms

-- subject: part of the event's id, after the type
-- data: of the event; empty fields are left out
local function tell_event(now, type, subject, data)
  local text
  for endpoint in string.gmatch(EVENTS, ';' .. type .. '=([%w_-]+)') do
    if not text then
      for name, value in pairs(data) do
        data[name] = value ~= '' and value or nil
      end
      local id = string.gsub(type, '%.', '_') .. '_' .. subject
      text = '0 ' .. cjson.encode({ id = id, type = type, at = now, data = data })
    end
    local due = WEBHOOKS_DUE .. endpoint
    if redis.call('ZCARD', due) < MOST_EVENTS then
      redis.call('ZADD', due, now, text)
      redis.call('PEXPIRE', due, EVENTS_KEPT)
    else
      tally(now, 'counts', { 'events|dropped|' .. type, 1 })
    end
  end
end
