-- Which alias gets a message now.
--- @include "breaker"
--- @include "rate"
--- @include "line"
--- @include "line_key"
--- @include "left_out"
local PROBE = 30000 -- ms after which the next probe may go although the last one never ended: a lease
local LATER = 3000 -- ms after which a message that nobody may take now looks again: a breaker may close early

-- Until when an alias may not be asked (ms), and the health keys of which a call now would be the probe.
local function shut_until(now, alias, country)
  local shut, probing, probes = 0, 0, {}
  for _, health_key in ipairs({ health_key_of(alias), health_key_of(alias, country) }) do
    local until_when, is_probe, probe_until = left_out(health_key)
    shut = math.max(shut, until_when)
    if is_probe then
      table.insert(probes, health_key)
      probing = math.max(probing, probe_until)
    end
  end
  return shut > now and shut or probing, probes -- one probe at a time
end

-- The ms that a message has to wait for a rate, and the time (ms) for which it stands in the line.
local function place_in(line_key, alias, now, id, takes, has_waited)
  local codes_key = line_key_of(alias, CODES)
  redis.call('ZREMRANGEBYSCORE', line_key, '-inf', now - LAPSE)
  local closed = math.max(next_call(RATE .. alias, now) - now, 0)
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

-- A call begins, so the message waits no longer.
local function begin(now, id, record, alias, channel, line_key, takes, probes)
  local record_key = RECORD .. id
  take_from_rate(now, alias, takes)
  for _, health_key in ipairs(probes) do
    redis.call('HSET', health_key, 'probe_until', now + PROBE)
  end
  if record.line == line_key then -- a place in another's it keeps until it is settled: this one may fail
    leave_line(record_key, id)
  end
  if record.turn == alias then
    redis.call('HSET', record_key, 'turn', '')
  end
  local asked = record.asked or ''
  if not string.find(',' .. asked .. ',', ',' .. alias .. ',', 1, true) then
    asked = asked == '' and alias or asked .. ',' .. alias -- only their receipts are believed
  end
  redis.call('HSET', record_key, 'alias', alias, 'channel', channel, 'calling', alias, 'asked', asked)
  if redis.call('ZREM', WAITING .. record.queue, id) == 1 then
    -- How many stop waiting in this second is what the next wait is estimated by.
    local begun_key = DRAINED .. record.queue .. ':' .. math.floor(now / 1000)
    redis.call('INCR', begun_key)
    redis.call('EXPIRE', begun_key, 20)
  end
end

-- Choose the alias for the next call and note it in the record: the first that is well and not over its rate.
-- hops: the aliases of its route in order, with commas between. parts: its billable segments. failed: a set
-- of the aliases that have failed in this attempt. aliases: what this worker may call, by name, each with
-- free (it has a slot), channel, per_message and per_segment (ms that either takes of its rate).
-- Returns alias, wait (ms) and probe (whether it is one). With a wait the message stands in the line of that
-- alias; without an alias none may be asked for so long. Nil if this worker has no slot or lacks an alias.
local function choose(now, id, record, hops, parts, failed, aliases)
  local record_key = RECORD .. id
  local left, waited_for = {}, record.turn
  local is_only = not string.find(hops, ',', 1, true)
  for alias in string.gmatch(hops, '[^,]+') do
    if not aliases[alias] then -- the route was changed since then
      return nil
    end
    -- An alias that may have the message already is asked again only if the route has no other.
    if not failed[alias] and (alias ~= record.avoid or is_only) then
      -- Whom it has waited for is first: those before it may not outdo it by failing once more.
      table.insert(left, alias == waited_for and 1 or #left + 1, alias)
    end
  end

  local free, best, earliest = 0, nil, nil
  for _, alias in ipairs(left) do
    local known = aliases[alias]
    if known.free then
      free = free + 1
      local takes = known.per_message + known.per_segment * parts
      local line_key = line_key_of(alias, record.queue)
      local shut, probes = shut_until(now, alias, record.country or '')
      if shut > now then
        earliest = math.min(earliest or shut, shut)
      else
        local wait, place = 0, nil
        if takes > 0 and not record.repeats then -- what is repeated may be there already, and waits for no rate
          wait, place = place_in(line_key, alias, now, id, takes, alias == waited_for)
        end
        if wait == 0 then
          begin(now, id, record, alias, known.channel, line_key, takes, probes)
          return { alias = alias, wait = 0, probe = #probes > 0 }
        elseif not best or wait < best.wait then
          best = { alias = alias, wait = wait, place = place, line_key = line_key }
        end
      end
    end
  end

  if free == 0 and #left > 0 then
    return nil
  end
  local wait = math.min(best and best.wait or (earliest or now) - now, LATER)
  local stands_in_line = best and best.wait <= tonumber(record.expires_at) - now
  if stands_in_line then
    wait = best.wait
    leave_line(record_key, id)
    redis.call('ZADD', best.line_key, best.place, id)
    redis.call('HSET', record_key, 'line', best.line_key, 'turn', best.alias)
    redis.call('PEXPIRE', best.line_key, math.max(redis.call('PTTL', best.line_key), math.ceil(wait) + LAPSE))
  end
  if free > 0 and free == #left then
    -- It waits for aliases and not for a slot of this worker: until it comes back it stands in nobody's way.
    redis.call('ZADD', WAITING .. record.queue, 'XX', now + wait, id)
  end
  return { alias = stands_in_line and best.alias or '', wait = math.ceil(wait), probe = false }
end
