-- How well an alias does, shared by all workers; the scripts that need it begin with this text.
-- A health key is a hash: good and bad (outcomes of this window), was_good and was_bad (of the one
-- before it), since (ms, the window's start), open_until (ms; stands until a probe works),
-- probe_until (ms; a probe is under way), hold_until (ms; the vendor asked for patience).
-- Figures: window (ms), share of bad outcomes that opens, fewest bad outcomes that open, pause
-- (ms) until a probe.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Until when nothing may be asked (ms), whether a probe has to find out then, and until when one is.
local function left_out(key)
  local seen = redis.call('HMGET', key, 'open_until', 'hold_until', 'probe_until')
  local open_until = tonumber(seen[1] or 0)
  return math.max(open_until, tonumber(seen[2] or 0)), open_until > 0, tonumber(seen[3] or 0)
end

-- The rate of an alias. Its rate key is when the next call may begin (ms): each moves it on by the ms
-- that it takes of the rate (GCRA), so calls cannot come in bunches, whoever brings them and how late.
-- What was left unused in the last CREDIT ms may still be used: a second sees at most 1.1 times the
-- rate, and one. Its line is a sorted set of those of one queue that wait, by the time (ms) for which they
-- were told to come back; who is more than LAPSE ms late loses the place.
local CREDIT, LAPSE = 100, 10000
local function next_call(rate, now)
  return math.max(tonumber(redis.call('GET', rate) or 0), now - CREDIT)
end

-- A message stands in one line at most; its record names the key of it.
local function leave_line(record, id)
  local line = redis.call('HGET', record, 'line')
  if line then
    redis.call('ZREM', line, id)
    redis.call('HDEL', record, 'line')
  end
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
