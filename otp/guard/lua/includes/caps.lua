-- The caps on unverified sends.
--- @include "counts"
local CAPPED = { HOUR, DAY, FORTNIGHT }
local NAMES = { 'hour', 'day', 'fortnight' }

-- Return the share of the previous window that still counts, because windows slide.
local function part_before(counts, window, now)
  return math.max(0, 1 - (now / LENGTH[window] - counts[window]))
end

-- Return the sends and verifications of the sliding window that ends now.
local function count_within(counts, window, now)
  local part = part_before(counts, window, now)
  return counts[window + SENDS] + counts[window + SENDS_BEFORE] * part,
    counts[window + VERIFIED] + counts[window + VERIFIED_BEFORE] * part
end

-- Return how many sends a scope refused in the last day.
local function refused_of(counts, now)
  return counts[REFUSED] + counts[REFUSED_BEFORE] * part_before(counts, DAY, now)
end

-- Return two lists for the hour, the day and the fortnight: unverified sends, and what verified ones add to the cap.
-- A send of the last five minutes may still be verified. It counts only as far as sends of this scope usually stay
-- unverified; in a scope without history it counts in full.
local function standing(counts, now, ratio)
  local young, young_verified = count_within(counts, YOUNG, now)
  local hour, hour_verified = count_within(counts, HOUR, now)
  local day, day_verified = count_within(counts, DAY, now)
  local fortnight, fortnight_verified = count_within(counts, FORTNIGHT, now)
  local open = math.max(young - young_verified, 0)
  local hoped = open * math.min(fortnight_verified / (math.max(fortnight - open, 0) + 10), 0.8)
  local proven = math.max(day_verified, fortnight_verified / 14) -- a day
  return { hour - hour_verified - hoped, day - day_verified - hoped, fortnight - fortnight_verified - hoped }, {
    ratio * math.max(hour_verified, proven / 6),
    ratio * proven,
    ratio * fortnight_verified,
  }
end

-- A shortcut that mostly suffices: tell whether there is room for one more send even if none was ever verified.
local function has_room(counts, now, caps)
  for i, window in ipairs(CAPPED) do
    local sends = counts[window + SENDS] + counts[window + SENDS_BEFORE]
    local is_now = counts[window] * LENGTH[window] <= now -- otherwise the clock was set back
    if sends + 1 > caps[i] or not is_now then
      return false
    end
  end
  return true
end

-- Return the first window without room for one more send, and ms until it may have room; nil if all have room.
-- The wait is at most a day: a long window may stay over its cap for longer, but people verify in the meantime.
-- caps: for the hour, the day and the fortnight
local function first_over(counts, now, ratio, caps)
  if has_room(counts, now, caps) then
    return nil
  end
  local unverified, earned = standing(counts, now, ratio)
  for i, window in ipairs(CAPPED) do
    local much = unverified[i] + 1 - earned[i] - caps[i]
    if much > 0 then
      local left = (counts[window] + 1) * LENGTH[window] - now
      local before = counts[window + SENDS_BEFORE] - counts[window + VERIFIED_BEFORE] -- fades as the window slides
      local wait = before > 0 and math.min(much / before * LENGTH[window], left) or left
      return NAMES[i], math.min(math.max(wait, 60000), LENGTH[DAY])
    end
  end
end
