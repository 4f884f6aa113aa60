-- The caps on what stays unverified.
--- @include "counts"
local CAPPED = { HOUR, DAY, FORTNIGHT }
local NAMES = { 'hour', 'day', 'fortnight' }

-- The part of the window before that still counts.
local function part_before(counts, window, now)
  return math.max(0, 1 - (now / LENGTH[window] - counts[window]))
end

-- Sends and verified of the time that ends now and is as long as the window.
local function count_within(counts, window, now)
  local part = part_before(counts, window, now)
  return counts[window + SENDS] + counts[window + SENDS_BEFORE] * part,
    counts[window + VERIFIED] + counts[window + VERIFIED_BEFORE] * part
end

-- How often it refused something in the day that ends now.
local function refused_of(counts, now)
  return counts[REFUSED] + counts[REFUSED_BEFORE] * part_before(counts, DAY, now)
end

-- How a scope stands in the hour, the day, the fortnight: what is unverified in each, and what the verified ones add to
-- its cap. A send younger than five minutes may yet be verified: it counts by the share that usually is not, which is
-- 1 where nothing is known.
local function standing(counts, now, ratio)
  local young, young_verified = count_within(counts, YOUNG, now)
  local hour, hour_verified = count_within(counts, HOUR, now)
  local day, day_verified = count_within(counts, DAY, now)
  local fortnight, fortnight_verified = count_within(counts, FORTNIGHT, now)
  local open = math.max(young - young_verified, 0)
  local hoped = open * math.min(fortnight_verified / (math.max(fortnight - open, 0) + 10), 0.8)
  local proven = math.max(day_verified, fortnight_verified / 14) -- verified a day
  return { hour - hour_verified - hoped, day - day_verified - hoped, fortnight - fortnight_verified - hoped }, {
    ratio * math.max(hour_verified, proven / 6),
    ratio * proven,
    ratio * fortnight_verified,
  }
end

-- Whether there is room for one more send even if nobody verified any. That is quicker to see, and mostly so.
local function has_room(counts, now, caps)
  for i, window in ipairs(CAPPED) do
    local sends = counts[window + SENDS] + counts[window + SENDS_BEFORE]
    local is_now = counts[window] * LENGTH[window] <= now -- else the clock was set back
    if sends + 1 > caps[i] or not is_now then
      return false
    end
  end
  return true
end

-- The name of the first window that has no room for one more send, and ms until it may have, at most a day: a long
-- one may be over its cap for longer, but people verify meanwhile. nil if all have room. caps: of each window.
local function first_over(counts, now, ratio, caps)
  if has_room(counts, now, caps) then
    return nil
  end
  local unverified, earned = standing(counts, now, ratio)
  for i, window in ipairs(CAPPED) do
    local much = unverified[i] + 1 - earned[i] - caps[i]
    if much > 0 then
      local left = (counts[window] + 1) * LENGTH[window] - now
      local before = counts[window + SENDS_BEFORE] - counts[window + VERIFIED_BEFORE] -- fades over the window
      local wait = before > 0 and math.min(much / before * LENGTH[window], left) or left
      return NAMES[i], math.min(math.max(wait, 60000), LENGTH[DAY])
    end
  end
end
