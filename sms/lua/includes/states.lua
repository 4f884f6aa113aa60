-- Count a state that a message reached; the state of a code is also counted by purpose.
--- @include "tally"
local function count_state(now, state, alias, country, queue, purpose)
  local counts = { 'messages|' .. state .. '|' .. alias .. '|' .. country .. '|' .. queue, 1 }
  if purpose ~= '' then
    counts[3], counts[4] = 'codes|' .. state .. '|' .. purpose, 1
  end
  tally(now, 'counts', counts)
end
