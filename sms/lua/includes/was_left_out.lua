-- Count that the breaker of an alias has opened, and send an event to WEBHOOKS. country: '' if it opened everywhere
--- @include "tally"
--- @include "event"
local function was_left_out(now, alias, country)
  tally(now, 'counts', { 'left_out|' .. alias .. '|' .. country, 1 })
  local subject = table.concat({ alias, country, now }, '_')
  tell_event(now, 'provider.left_out', subject, { alias = alias, country = country })
end
