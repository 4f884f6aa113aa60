-- Limits on how many SMS may be asked for, and how many guesses may be wrong.
-- Each limit is a map: key, most (how many), window (in how many ms), at_once (how many in a bunch).
--   without at_once  at most so many in any window. The key is a list: when the latest were, newest first.
--   with at_once     so many on average, at most at_once in a bunch. The key is a string: when the bunch may be
--                    whole again (ms), the "theoretical arrival time" of GCRA.

-- Whether one more may be asked for: nil, or the place of the limit that forbids it for longest, counted
-- from 0, and for how many ms. Writes nothing, but notes in each limit what has to be known to count one more.
local function limits_refuse(now, limits)
  local worst, longest = nil, 0
  for place, limit in ipairs(limits) do
    local wait
    if limit.at_once then
      limit.takes, limit.full = limit.window / limit.most, tonumber(redis.call('GET', limit.key) or 0)
      wait = limit.full - now - (limit.at_once - 1) * limit.window / limit.most
    else
      limit.used = redis.call('LLEN', limit.key)
      local is_full = limit.used >= limit.most
      wait = is_full and redis.call('LINDEX', limit.key, limit.most - 1) + limit.window - now or 0
    end
    if wait > longest then
      worst, longest = place - 1, wait
    end
  end
  return worst, math.ceil(longest)
end
