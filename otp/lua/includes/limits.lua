-- Limits on how many SMS may be sent, and on how many guesses may be wrong.
-- Each limit is a map: key, most (how many), window (ms), at_once (the largest burst).
--   without at_once  at most `most` in any window. The key is a list of their times (ms), newest first.
--   with at_once     `most` per window on average, in bursts of at most at_once. The key is a string: the
--                    "theoretical arrival time" (ms) of GCRA, at which the whole burst is available again.

-- Check whether every limit has room for one more.
-- Returns nil if so; else the index (from 0) of the limit with the longest wait, and that wait (ms).
-- Writes nothing to Redis, but adds the fields that limits_count needs to each limit.
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
