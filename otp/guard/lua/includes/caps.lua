-- The caps on what stays unverified.

-- How a scope stands, for the hour, the day, the fortnight: {name, window, unverified, earned (what the verified ones
-- add to a cap)}. A send younger than five minutes may yet be verified: it counts by the share that usually is not,
-- which is 1 where nothing is known.
local function standing(counts, now, ratio)
  local young, young_verified = count_within(counts.young, now)
  local hour, hour_verified = count_within(counts.hour, now)
  local day, day_verified = count_within(counts.day, now)
  local fortnight, fortnight_verified = count_within(counts.fortnight, now)
  local open = math.max(young - young_verified, 0)
  local hoped = open * math.min(fortnight_verified / (math.max(fortnight - open, 0) + 10), 0.8)
  local proven = math.max(day_verified, fortnight_verified / 14) -- verified a day
  return {
    {
      name = 'hour',
      window = counts.hour,
      unverified = hour - hour_verified - hoped,
      earned = ratio * math.max(hour_verified, proven / 6),
    },
    { name = 'day', window = counts.day, unverified = day - day_verified - hoped, earned = ratio * proven },
    {
      name = 'fortnight',
      window = counts.fortnight,
      unverified = fortnight - fortnight_verified - hoped,
      earned = ratio * fortnight_verified,
    },
  }
end

-- The name of the first window that has no room for one more send, and ms until it may have, at most a day: a long
-- one may be over its cap for longer, but people verify meanwhile. nil if all have room. caps: of each window.
local function first_over(standings, now, caps)
  for i, stands in ipairs(standings) do
    local much = stands.unverified + 1 - stands.earned - caps[i]
    if much > 0 then
      local window = stands.window
      local left = (window.index + 1) * window.length - now
      local before = window.sends_before - window.verified_before -- fades over the window
      local wait = before > 0 and math.min(much / before * window.length, left) or left
      return stands.name, math.min(math.max(wait, 60000), DAY)
    end
  end
end
