-- The breaker of an alias has opened: in a country, or with '' everywhere. Counted, and told to the receivers of WEBHOOKS.
--- @include "tally"
--- @include "event"
local function was_left_out(now, alias, country)
  tally(now, 'counts', { 'left_out|' .. alias .. '|' .. country, 1 })
  local subject = table.concat({ alias, country, now }, '_')
  tell_event(now, 'provider.left_out', subject, { alias = alias, country = country })
end
