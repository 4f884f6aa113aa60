-- Pick the alias that gets a message now: the first of its route that is healthy and within its rate.
--- @include "breaker"
--- @include "rate"
--- @include "line_key"
--- @include "left_out"
--- @include "candidates"
local PROBE = 30000 -- ms. After this time another probe may start, even if the last one was never reported.
local LATER = 3000 -- ms; longest wait before the next try if no alias can take the message. A breaker may close early.

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
  local until_open = math.max(next_call(RATE .. alias, now) - now, 0)
  if line_key ~= codes_key then -- codes go first
    until_open = until_open + redis.call('ZCOUNT', codes_key, now - LAPSE, '+inf') * takes
  end
  local place = redis.call('ZSCORE', line_key, id)
  if until_open == 0 and (place or has_waited or redis.call('ZCARD', line_key) == 0) then
    return 0 -- any waiting message that comes back may go now; a new one only if nobody waits
  elseif place then
    return until_open + redis.call('ZRANK', line_key, id) * takes, place
  elseif has_waited then -- so late that it lost its place: behind the others that are late
    return until_open + redis.call('ZCOUNT', line_key, '-inf', now) * takes, now
  end
  local wait = until_open + redis.call('ZCARD', line_key) * takes
  return wait, now + wait
end

-- want:
--   id
--   record    of the message
--   line      key of the line in which it stands; nil: in none
--   repeats   true: the alias may have it already and is asked again
--   hops      aliases of the route in order, with commas between
--   parts     billable segments
--   failed    set of the aliases not to be asked again in this attempt
--   aliases   those that this worker may call, each with
--     free          it has a slot
--     channel
--     per_message   ms of its rate that a message takes
--     per_segment   ms of its rate that a segment takes
--     well          true: it has no rate and was not left out lately; set only with cells
-- Returns nil if this worker has no slot, or does not know an alias. Else
--   alias      '' if all have failed or are left out, or if the message would expire before its turn
--   channel    of the alias; only with wait 0
--   line       key of the line of this alias, if there is an alias
--   wait       ms; 0: the call begins, and has taken its part of the rate
--   probe      true: the call is one
--   held_back  true: the message waits for aliases, not for a slot of this worker
local function pick(now, want)
  local id, record = want.id, want.record
  local left = candidates(want)
  if not left then
    return nil
  end
  local free, best, earliest = 0, nil, nil
  for _, alias in ipairs(left) do
    local known = want.aliases[alias]
    if known.free then
      free = free + 1
      local takes = known.per_message + known.per_segment * want.parts
      local line_key = line_key_of(alias, record.queue)
      local shut, probes = shut_until(now, alias, record.country or '')
      if shut > now then
        earliest = math.min(earliest or shut, shut)
      else
        local wait, place = 0, nil
        if takes > 0 and not want.repeats then -- a repeated call may have arrived before, so it waits for no rate
          wait, place = place_in(line_key, alias, now, id, takes, alias == record.turn)
        end
        if wait == 0 then
          take_from_rate(now, alias, takes)
          for _, health_key in ipairs(probes) do
            redis.call('HSET', health_key, 'probe_until', now + PROBE)
          end
          if want.line == line_key then -- a place in another alias's line is kept, as this call may fail
            redis.call('ZREM', line_key, id)
          end
          return { alias = alias, channel = known.channel, line = line_key, wait = 0, probe = #probes > 0 }
        elseif not best or wait < best.wait then
          best = { alias = alias, wait = wait, place = place, line = line_key }
        end
      end
    end
  end

  if free == 0 and #left > 0 then
    return nil
  end
  local held_back = free > 0 and free == #left
  if not best or best.wait > tonumber(record.expires_at) - now then
    local wait = math.min(best and best.wait or (earliest or now) - now, LATER)
    return { alias = '', wait = math.ceil(wait), probe = false, held_back = held_back }
  end
  if want.line then
    redis.call('ZREM', want.line, id)
  end
  redis.call('ZADD', best.line, best.place, id)
  redis.call('PEXPIRE', best.line, math.max(redis.call('PTTL', best.line), math.ceil(best.wait) + LAPSE))
  return {
    alias = best.alias,
    line = best.line,
    wait = math.ceil(best.wait),
    probe = false,
    held_back = held_back,
  }
end
