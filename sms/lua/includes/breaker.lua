-- How well an alias does, shared by all workers.
-- A health key is a hash: good and bad (outcomes of this window), was_good and was_bad (of the one
-- before it), since (ms, the window's start), open_until (ms; stands until a probe works),
-- probe_until (ms; a probe is under way), hold_until (ms; the vendor asked for patience).
-- Figures: window (ms), share of bad outcomes that opens, fewest bad outcomes that open, pause
-- (ms) until a probe.
-- Until when nothing may be asked (ms), whether a probe has to find out then, and until when one is.
local function left_out(key)
  local seen = redis.call('HMGET', key, 'open_until', 'hold_until', 'probe_until')
  local open_until = tonumber(seen[1] or 0)
  return math.max(open_until, tonumber(seen[2] or 0)), open_until > 0, tonumber(seen[3] or 0)
end

-- Count outcomes; open the breaker where they are too bad (never without fewest). Returns 1 if it
-- opened by this.
local function observe(key, now, good, bad, window, share, fewest, pause)
  local seen = redis.call('HMGET', key, 'since', 'good', 'bad', 'was_good', 'was_bad', 'open_until')
  local since = tonumber(seen[1] or now)
  local g, b = tonumber(seen[2] or 0), tonumber(seen[3] or 0)
  local wg, wb = tonumber(seen[4] or 0), tonumber(seen[5] or 0)
  if now - since >= window then
    if now - since < 2 * window then
      wg, wb, since = g, b, since + window
    else
      wg, wb, since = 0, 0, now
    end
    g, b = 0, 0
  end
  g, b = g + good, b + bad
  redis.call('HSET', key, 'since', since, 'good', g, 'bad', b, 'was_good', wg, 'was_bad', wb)
  redis.call('PEXPIRE', key, math.max(4 * window, 4 * pause, 3600000))
  if bad == 0 or not fewest then
    return 0
  end
  local rest = 1 - (now - since) / window -- what of the window before still counts
  local all_bad = b + wb * rest
  local open_until = tonumber(seen[6] or 0)
  -- A probe that failed opens it again; so does the first failure after the pause.
  if open_until > 0 or (all_bad >= fewest and all_bad >= share * (all_bad + g + wg * rest)) then
    redis.call('HSET', key, 'open_until', now + pause)
    redis.call('HDEL', key, 'probe_until')
    return open_until == 0 and 1 or 0
  end
  return 0
end
