-- The tally: how often things happened. This counts in one hash, the fresh one of the hour. It is folded into the others
-- when somebody reads them, or when the next hour begins. See sms.tally.
--- @include "fold"

-- place: the family, such as 'counts'
-- counts: field, number to add, field, number, …; a field is a name and its labels with | between
local function tally(now, place, counts)
  local hour = math.floor(now / 3600000)
  local fresh = TALLY .. place .. ':fresh:' .. hour
  for i = 1, #counts, 2 do
    if add(fresh, place, counts[i], counts[i + 1]) == 1 then
      fold(place)
      redis.call('SADD', TALLY .. place .. ':fresh', hour)
      redis.call('PEXPIRE', TALLY .. place .. ':fresh', TALLY_KEPT)
      redis.call('PEXPIRE', fresh, TALLY_KEPT)
    end
  end
end
