-- Add what was counted lately to the figures that are read. See sms.tally.
-- ARGV: families
--- @include "fold"
for _, place in ipairs(ARGV) do
  fold(place)
end
