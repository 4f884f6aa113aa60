--- @include "breaker"
--- @include "rate"
--- @include "line"
--- @include "left_out"
-- The ms that a message has to wait for a rate, and the time (ms) for which it stands in the line.
local function turn_in(line_key, codes_key, rate_key, now, id, takes, has_waited)
  redis.call('ZREMRANGEBYSCORE', line_key, '-inf', now - LAPSE)
  local closed = math.max(next_call(rate_key, now) - now, 0)
  if line_key ~= codes_key then -- codes go first
    closed = closed + redis.call('ZCOUNT', codes_key, now - LAPSE, '+inf') * takes
  end
  local place = redis.call('ZSCORE', line_key, id)
  if closed == 0 and (place or has_waited or redis.call('ZCARD', line_key) == 0) then
    return 0 -- whoever comes first of those that wait; nobody else while somebody does
  elseif place then
    return closed + redis.call('ZRANK', line_key, id) * takes, place
  elseif has_waited then -- so late that its place is gone: behind the others that are late
    return closed + redis.call('ZCOUNT', line_key, '-inf', now) * takes, now
  end
  local wait = closed + redis.call('ZCARD', line_key) * takes
  return wait, now + wait
end

-- Choose the alias for one call: healthy, not over its rate, first in the order; note it in the record.
-- message: id, key, queue (of its record, "" = none), line (whose line it would stand in), country, asked,
--   turn (the alias in whose line it has waited), patience (ms that it may wait for a turn), held (if it waits
--   it is for these aliases alone)
-- candidates: in order, each with alias and takes (ms that the message takes of its rate, 0 = no rate)
-- figures: breaker, probe (ms that one lasts), later (ms after which it asks again at the latest)
-- Returns the alias, ms to wait, whether it is a probe. With ms to wait it has a place in the line of that alias;
-- without an alias none may be asked for so many ms.
local function choose(now, message, candidates, figures)
  local id, waiting_key = message.id, WAITING .. message.queue

  -- It waits for an alias and not for a worker: until it comes back it stands in nobody's way.
  local function hold(wait)
    if message.held then
      redis.call('ZADD', waiting_key, 'XX', now + wait, id)
    end
  end

  -- It waits no longer. How many stop waiting in this second is what the next wait is estimated by.
  local function begin(alias, line_key)
    -- A place in another's line it keeps until it is settled: this one may fail.
    if redis.call('HGET', message.key, 'line') == line_key then
      leave_line(message.key, id)
    end
    local asked = message.asked
    if not string.find(',' .. asked .. ',', ',' .. alias .. ',', 1, true) then
      asked = asked == '' and alias or asked .. ',' .. alias -- only these may report on it
    end
    redis.call('HSET', message.key, 'alias', alias, 'calling', alias, 'asked', asked)
    if redis.call('ZREM', waiting_key, id) == 1 then
      local drained_key = DRAINED .. message.queue .. ':' .. math.floor(now / 1000)
      redis.call('INCR', drained_key)
      redis.call('EXPIRE', drained_key, 20)
    end
  end

  local best, best_wait, best_place, best_line, earliest
  for _, candidate in ipairs(candidates) do
    local alias, takes = candidate.alias, candidate.takes
    local health_key, rate_key, line_key =
      HEALTH .. alias, RATE .. alias, LINE .. alias .. ':' .. message.line
    local there_key = health_key .. ':' .. message.country
    local limit, probes, probed_until = left_out(health_key)
    local limit_there, probes_there, probed_there_until = left_out(there_key)
    limit = math.max(limit, limit_there)
    if limit <= now then -- one probe at a time
      limit = math.max(probes and probed_until or 0, probes_there and probed_there_until or 0)
    end
    if limit > now then
      earliest = math.min(earliest or limit, limit)
    else
      local wait, place = 0, nil
      if takes > 0 then
        local codes_key = LINE .. alias .. ':' .. CODES
        wait, place = turn_in(line_key, codes_key, rate_key, now, id, takes, alias == message.turn)
      end
      if wait == 0 then
        if takes > 0 then
          local free = next_call(rate_key, now) + takes
          redis.call('SET', rate_key, free, 'PX', math.ceil(free - now) + 1000)
        end
        for key, is_probe in pairs({ [health_key] = probes, [there_key] = probes_there }) do
          if is_probe then
            redis.call('HSET', key, 'probe_until', now + figures.probe)
          end
        end
        begin(alias, line_key)
        return alias, 0, probes or probes_there
      end
      if not best_wait or wait < best_wait then
        best, best_wait, best_place, best_line = alias, wait, place, line_key
      end
    end
  end
  if best and best_wait <= message.patience then
    leave_line(message.key, id)
    redis.call('ZADD', best_line, best_place, id)
    redis.call('HSET', message.key, 'line', best_line)
    redis.call('PEXPIRE', best_line, math.max(redis.call('PTTL', best_line), math.ceil(best_wait) + LAPSE))
    hold(best_wait)
    return best, math.ceil(best_wait), false
  end
  local wait = math.min(best_wait or (earliest or now) - now, figures.later)
  hold(wait)
  return '', math.ceil(wait), false
end

-- Count the good outcomes that a worker has not told yet: alias → how many.
local function count_good(now, good, breaker)
  for alias, count in pairs(good) do
    observe(HEALTH .. alias, now, count, 0, breaker)
  end
end
