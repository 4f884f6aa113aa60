-- Choose the alias that gets a message now.
--- @include "breaker"
--- @include "rate"
--- @include "line"
--- @include "line_key"
--- @include "left_out"
local PROBE = 30000 -- ms; a probe is a lease: after this the next may go, even if the last never ended
local LATER = 3000 -- ms until another look for a message that no alias may take now: a breaker may close early

-- Return until when an alias must not be asked (ms), and the health keys for which a call now would be the probe.
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

-- Return the ms that a message has to wait for a rate, and its place in the line: when it is to come back (ms).
local function place_in(line_key, alias, now, id, takes, has_waited)
  local codes_key = line_key_of(alias, CODES)
  redis.call('ZREMRANGEBYSCORE', line_key, '-inf', now - LAPSE)
  local closed = math.max(next_call(RATE .. alias, now) - now, 0)
  if line_key ~= codes_key then -- codes go first
    closed = closed + redis.call('ZCOUNT', codes_key, now - LAPSE, '+inf') * takes
  end
  local place = redis.call('ZSCORE', line_key, id)
  if closed == 0 and (place or has_waited or redis.call('ZCARD', line_key) == 0) then
    return 0 -- the first of those waiting to come back; a newcomer only if nobody waits
  elseif place then
    return closed + redis.call('ZRANK', line_key, id) * takes, place
  elseif has_waited then -- so late that it lost its place: behind the others that are late
    return closed + redis.call('ZCOUNT', line_key, '-inf', now) * takes, now
  end
  local wait = closed + redis.call('ZCARD', line_key) * takes
  return wait, now + wait
end

-- Record that a call begins, so that the message stops waiting.
local function begin(now, id, record, alias, channel, line_key, takes, probes)
  local record_key = RECORD .. id
  take_from_rate(now, alias, takes)
  for _, health_key in ipairs(probes) do
    redis.call('HSET', health_key, 'probe_until', now + PROBE)
  end
  if record.line == line_key then -- its place with another alias stays until it is settled, as this call may fail
    leave_line(record_key, id)
  end
  if record.turn == alias then
    redis.call('HSET', record_key, 'turn', '')
  end
  local asked = record.asked or ''
  if not string.find(',' .. asked .. ',', ',' .. alias .. ',', 1, true) then
    asked = asked == '' and alias or asked .. ',' .. alias -- receipts of other aliases are not believed
  end
  redis.call('HSET', record_key, 'alias', alias, 'channel', channel, 'calling', alias, 'asked', asked)
  if redis.call('ZREM', WAITING .. record.queue, id) == 1 then
    -- overload.lua estimates waits by how many messages stop waiting in a second.
    local begun_key = DRAINED .. record.queue .. ':' .. math.floor(now / 1000)
    redis.call('INCR', begun_key)
    redis.call('EXPIRE', begun_key, 20)
  end
end

-- Choose the alias for the next call and note it in the record: the first that is healthy and within its rate.
-- hops: aliases of the route in order, with commas between
-- parts: billable segments
-- failed: set of the aliases that have failed in this attempt
-- aliases: those that this worker may call, each with
--   free          it has a slot
--   channel
--   per_message   ms of its rate that a message takes
--   per_segment   ms of its rate that a segment takes
-- Returns {alias, wait (ms), probe (true if the call is one)}. With a wait, the message stands in that alias's line.
-- If no alias can be asked for so long, alias is ''. Nil if this worker has no slot, or does not know an alias.
local function choose(now, id, record, hops, parts, failed, aliases)
  local record_key = RECORD .. id
  local left, waited_for = {}, record.turn
  local is_only = not string.find(hops, ',', 1, true)
  for alias in string.gmatch(hops, '[^,]+') do
    if not aliases[alias] then -- the route has changed since
      return nil
    end
    -- An alias that may have the message already is asked again only if it is the only one.
    if not failed[alias] and (alias ~= record.avoid or is_only) then
      -- The alias it waited for goes first: those before it must not win by failing again.
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
        if takes > 0 and not record.repeats then -- a repeated call may have arrived before, so it waits for no rate
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
    -- It waits for aliases, not for a slot of this worker. Until it comes back, it is no backlog.
    redis.call('ZADD', WAITING .. record.queue, 'XX', now + wait, id)
  end
  return { alias = stands_in_line and best.alias or '', wait = math.ceil(wait), probe = false }
end
