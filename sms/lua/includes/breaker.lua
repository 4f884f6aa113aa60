-- The circuit breaker of an alias, shared by all workers. Its health key is a hash:
--   since                when this window began (ms)
--   good, bad            outcomes in this window
--   was_good, was_bad    outcomes in the window before
--   open_until           ms; set until a probe works
--   opened_at            when it opened (ms)
--   probe_until          ms; a probe is under way
--   hold_until           when the vendor said to retry (ms); for the name see sms.names
--- @include "put"

-- Return the health key of an alias; with a country, the one for that country alone.
local function health_key_of(alias, country)
  return HEALTH .. alias .. (country and ':' .. country or '')
end

-- Add an alias to the list of those left out, by which workers know where they need not ask the hub.
local function list_left_out(health_key, now, breaker)
  if breaker.listed then
    redis.call('ZADD', LEFT_OUT, now, string.sub(health_key, #HEALTH + 1))
  end
end

-- Leave the alias out for a pause. open_until: its former value
local function open_breaker(health_key, now, breaker, open_until)
  list_left_out(health_key, now, breaker)
  redis.call('HSET', health_key, 'open_until', now + breaker.pause)
  redis.call('HDEL', health_key, 'probe_until')
  if not open_until then
    redis.call('HSET', health_key, 'opened_at', now)
  end
end

-- Count outcomes and open the breaker if too many are bad. Returns whether this opened it, and whether it was open.
-- breaker: window (ms), pause until a probe (ms), share and fewest (of bad outcomes that open it), listed (true: see
-- list_left_out)
-- stays_closed: only count
local function observe(health_key, now, good, bad, breaker, stays_closed)
  local since, is_good, is_bad, was_good, was_bad, open_until =
    unpack(redis.call('HMGET', health_key, 'since', 'good', 'bad', 'was_good', 'was_bad', 'open_until'))
  local window = breaker.window
  since, is_good, is_bad = tonumber(since or now), tonumber(is_good or 0), tonumber(is_bad or 0)
  was_good, was_bad = tonumber(was_good or 0), tonumber(was_bad or 0)
  if now - since >= window then
    if now - since < 2 * window then
      was_good, was_bad, since = is_good, is_bad, since + window
    else
      was_good, was_bad, since = 0, 0, now
    end
    is_good, is_bad = 0, 0
  end
  is_good, is_bad = is_good + good, is_bad + bad
  put(health_key, { since = since, good = is_good, bad = is_bad, was_good = was_good, was_bad = was_bad })
  redis.call('PEXPIRE', health_key, math.max(4 * window, 4 * breaker.pause, 3600000))
  if bad == 0 or stays_closed then
    return false, open_until
  end
  local rest = 1 - (now - since) / window -- what still counts of the window before
  local all_bad, all_good = is_bad + was_bad * rest, is_good + was_good * rest
  -- A failed probe opens it again, and so does the first failure after the pause.
  if open_until or (all_bad >= breaker.fewest and all_bad >= breaker.share * (all_bad + all_good)) then
    open_breaker(health_key, now, breaker, open_until)
    return not open_until, open_until
  end
  return false, open_until
end
