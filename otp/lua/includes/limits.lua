-- Limits on how many SMS may be asked for, and how many guesses may be wrong; the scripts that need them begin
-- with this text.
-- Each rule has a key, and three values: how many, in how many ms, and how many at once ("" = a window).
--   window  at most so many in any so many ms. The key is a list: when the latest were, newest first.
--   rate    so many in so many ms on average, at most `at once` in a bunch. The key is a string: when
--           the bunch may be whole again (ms), the "theoretical arrival time" of GCRA.
local function limits_each(keys, values, see)
  for i = 1, #keys do
    see(i, keys[i], tonumber(values[3 * i - 2]), tonumber(values[3 * i - 1]), tonumber(values[3 * i]))
  end
end

-- Whether one more may be asked for: nil, or the index of the rule that forbids it for longest, and
-- for how many ms. Writes nothing.
local function limits_refuse(now, keys, values)
  local worst, longest = nil, 0
  limits_each(keys, values, function(i, key, most, window, at_once)
    local wait
    if at_once then
      local full = tonumber(redis.call('GET', key) or 0)
      wait = full - now - (at_once - 1) * window / most
    else
      local oldest = redis.call('LINDEX', key, most - 1)
      wait = oldest and tonumber(oldest) + window - now or 0
    end
    if wait > longest then
      worst, longest = i, wait
    end
  end)
  return worst, math.ceil(longest)
end

local function limits_count(now, keys, values)
  limits_each(keys, values, function(_, key, most, window, at_once)
    if at_once then
      local full = math.max(tonumber(redis.call('GET', key) or 0), now) + window / most
      redis.call('SET', key, full, 'PX', math.ceil(full - now) + 1)
    else
      if redis.call('LPUSH', key, now) > most then
        redis.call('LTRIM', key, 0, most - 1)
      end
      redis.call('PEXPIRE', key, window)
    end
  end)
end

-- Take the latest one back, if there is one: nothing was sent after all, or a guess was right.
local function limits_take_back(now, keys, values)
  limits_each(keys, values, function(_, key, most, window, at_once)
    if not at_once then
      redis.call('LPOP', key)
      return
    end
    local full = tonumber(redis.call('GET', key) or 0) - window / most
    if full > now then
      redis.call('SET', key, full, 'PX', math.ceil(full - now) + 1)
    else
      redis.call('DEL', key)
    end
  end)
end
