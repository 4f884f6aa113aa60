-- The counts of the pumping guard in windows that slide, and the caps on what stays unverified.
local GUARD_DAY = 86400000
local GUARD_WINDOWS = {300000, 3600000, GUARD_DAY, 14 * GUARD_DAY} -- ms: young, hour, day, fortnight
local GUARD_NAMES = {'young', 'hour', 'day', 'fortnight'}
local GUARD_COUNTRY, GUARD_ADDRESS, GUARD_RULED = 2, 5, 6 -- kinds; 1: new, 3 and 4: coarse, fine prefix

-- The counts of one scope: kind, refusals of this day and of the day before, and for each window
-- its index, sends and verified, sends and verified of the window before it. A verification counts
-- where its send counted, so sends less verified is what stayed unverified, whenever it is asked.
-- As text it is JSON without brackets, which Redis reads and writes for Lua: looking at all scopes of a start
-- and counting there takes 46 µs instead of 82.
local GUARD_FORM = '%d' .. string.rep(',%d', 22)
local guard_seen = {} -- by key: a start looks at a scope, then counts there, and reads it once
local function guard_read(key, now, kind)
  local c = guard_seen[key]
  if not c then
    local text = redis.call('GET', key)
    if text then
      c = cjson.decode('[' .. text .. ']')
      guard_seen[key] = c
    else
      c = {kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
    end
  end
  for w = 1, 4 do
    local at, index = 5 * w - 1, math.floor(now / GUARD_WINDOWS[w])
    if index > c[at] then -- a clock that was set back changes nothing
      local follows = index == c[at] + 1
      c[at + 3], c[at + 4] = follows and c[at + 1] or 0, follows and c[at + 2] or 0
      c[at], c[at + 1], c[at + 2] = index, 0, 0
      if w == 3 then
        c[2], c[3] = 0, follows and c[2] or 0
      end
    end
  end
  return c
end

-- It lives as long as one of its windows could still count.
local function guard_write(key, now, c)
  local w = c[1] >= GUARD_ADDRESS and 3 or 4
  local ends = (c[5 * w - 1] + 2) * GUARD_WINDOWS[w]
  guard_seen[key] = c
  redis.call('SET', key, string.format(GUARD_FORM, unpack(c)), 'PX', math.max(ends - now, 1000))
end

-- Sends and verified of a window that ends now: of the window before, the part that still counts.
local function guard_count(c, w, now)
  local at = 5 * w - 1
  local rest = math.max(0, 1 - (now / GUARD_WINDOWS[w] - c[at]))
  return c[at + 1] + c[at + 3] * rest, c[at + 2] + c[at + 4] * rest
end

-- Per window from the hour on: unverified, and what of that the verified ones have earned beyond a cap.
-- A send younger than five minutes may yet be verified: it counts by the share that usually is not, which
-- is 1 where nothing is known.
local function guard_standing(c, now, ratio)
  local young, young_verified = guard_count(c, 1, now)
  local hour, hour_verified = guard_count(c, 2, now)
  local day, day_verified = guard_count(c, 3, now)
  local fortnight, fortnight_verified = guard_count(c, 4, now)
  local open = math.max(young - young_verified, 0)
  local hoped = open * math.min(fortnight_verified / (math.max(fortnight - open, 0) + 10), 0.8)
  local proven = math.max(day_verified, fortnight_verified / 14) -- verified a day
  return {
    {hour - hour_verified - hoped, ratio * math.max(hour_verified, proven / 6)},
    {day - day_verified - hoped, ratio * proven},
    {fortnight - fortnight_verified - hoped, ratio * fortnight_verified},
  }
end

-- The first window that has no room for one more send, and ms until it may have, at most a day: a
-- long one may be over its cap for longer, but people verify meanwhile. nil if all have room.
local function guard_over(c, now, standing, caps)
  for i, pair in ipairs(standing) do
    local much = pair[1] + 1 - pair[2] - caps[i]
    if much > 0 then
      local at, window = 5 * i + 4, GUARD_WINDOWS[i + 1]
      local left = (c[at] + 1) * window - now
      local before = c[at + 3] - c[at + 4] -- fades over the window
      local wait = before > 0 and math.min(much / before * window, left) or left
      return GUARD_NAMES[i + 1], math.min(math.max(wait, 60000), GUARD_DAY)
    end
  end
  return nil
end
