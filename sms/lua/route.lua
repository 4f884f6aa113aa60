-- Choose the alias for one call: healthy, not over its rate, first in the order; note it in the record.
-- KEYS: record, then for each candidate: health, health in this country, rate, line, line of the codes
-- ARGV: id, attempt that must still hold the message ("" = any), alias in whose line it has waited
--       ("" = none), longest wait (ms), a probe lasts (ms), window, share, fewest, pause (see
--       includes/breaker.lua), ms after which it asks again at the latest, 1 = if it waits it is for these alone,
--       then for each candidate: alias, good outcomes not yet counted, ms that this message takes of the
--       rate (0 = no rate); last the prefixes of the waiting and the drained keys
-- Returns {index, ms to wait, 1 if it is a probe}; with ms to wait it has a place in the line of that
-- alias; index 0: none may be asked for so many ms, or this attempt may not send the message any more.
--- @include "clock"
--- @include "breaker"
--- @include "rate"
--- @include "line"
local now, id = clock(), ARGV[1]
if ARGV[2] ~= '' then
  local record = redis.call('HMGET', KEYS[1], 'state', 'attempts', 'unwanted', 'expires_at')
  if record[1] ~= 'sending' or record[2] ~= ARGV[2] or record[3] or now >= tonumber(record[4]) then
    return {0, 0, 0}
  end
end

local seen = redis.call('HMGET', KEYS[1], 'queue', 'asked')
local queue, asked = seen[1] or '', seen[2] or ''
local waiting = ARGV[#ARGV - 1] .. queue

-- It waits no longer. How many stop waiting in this second is what create.lua estimates the wait by.
local function begin()
  if redis.call('ZREM', waiting, id) == 1 then
    local drained = ARGV[#ARGV] .. queue .. ':' .. math.floor(now / 1000)
    redis.call('INCR', drained)
    redis.call('EXPIRE', drained, 20)
  end
end

-- It waits for an alias and not for a worker: until it comes back it stands in nobody's way.
local function hold(wait)
  if ARGV[11] == '1' then
    redis.call('ZADD', waiting, 'XX', now + wait, id)
  end
end

-- How long the message has to wait for this rate (ms), and by what time it stands in the line.
local function turn(rate, line, codes, takes, has_waited)
  redis.call('ZREMRANGEBYSCORE', line, '-inf', now - LAPSE)
  local closed = math.max(next_call(rate, now) - now, 0)
  if line ~= codes then -- codes go first
    closed = closed + redis.call('ZCOUNT', codes, now - LAPSE, '+inf') * takes
  end
  local place = redis.call('ZSCORE', line, id)
  if closed == 0 and (place or has_waited or redis.call('ZCARD', line) == 0) then
    return 0 -- whoever comes first of those that wait; nobody else while somebody does
  elseif place then
    return closed + redis.call('ZRANK', line, id) * takes, place
  elseif has_waited then -- so late that its place is gone: behind the others that are late
    return closed + redis.call('ZCOUNT', line, '-inf', now) * takes, now
  end
  local wait = closed + redis.call('ZCARD', line) * takes
  return wait, now + wait
end

local best, best_wait, best_place, earliest
for i = 1, (#KEYS - 1) / 5 do
  local health, there, rate, line, codes = unpack(KEYS, 5 * i - 3, 5 * i + 1)
  local alias, good, takes = ARGV[3 * i + 9], tonumber(ARGV[3 * i + 10]), tonumber(ARGV[3 * i + 11])
  if good > 0 then
    observe(health, now, good, 0, tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]))
  end
  local limit, probe, probed_until = left_out(health)
  local limit_there, probe_there, probed_there_until = left_out(there)
  limit = math.max(limit, limit_there)
  if limit <= now then -- one probe at a time
    limit = math.max(probe and probed_until or 0, probe_there and probed_there_until or 0)
  end
  if limit > now then
    earliest = math.min(earliest or limit, limit)
  else
    local wait, place = 0, nil
    if takes > 0 then
      wait, place = turn(rate, line, codes, takes, alias == ARGV[3])
    end
    if wait == 0 then
      -- A place in another's line it keeps until it is settled: this one may fail.
      if redis.call('HGET', KEYS[1], 'line') == line then
        leave_line(KEYS[1], id)
      end
      if takes > 0 then
        local free = next_call(rate, now) + takes
        redis.call('SET', rate, free, 'PX', math.ceil(free - now) + 1000)
      end
      if probe then
        redis.call('HSET', health, 'probe_until', now + tonumber(ARGV[5]))
      end
      if probe_there then
        redis.call('HSET', there, 'probe_until', now + tonumber(ARGV[5]))
      end
      if not string.find(',' .. asked .. ',', ',' .. alias .. ',', 1, true) then
        asked = asked == '' and alias or asked .. ',' .. alias -- only these may report on it, see move.lua
      end
      redis.call('HSET', KEYS[1], 'alias', alias, 'calling', alias, 'asked', asked)
      begin()
      return {i, 0, (probe or probe_there) and 1 or 0}
    end
    if not best_wait or wait < best_wait then
      best, best_wait, best_place = i, wait, place
    end
  end
end
if best and best_wait <= tonumber(ARGV[4]) then
  local line = KEYS[5 * best]
  leave_line(KEYS[1], id)
  redis.call('ZADD', line, best_place, id)
  redis.call('HSET', KEYS[1], 'line', line)
  redis.call('PEXPIRE', line, math.max(redis.call('PTTL', line), math.ceil(best_wait) + LAPSE))
  hold(best_wait)
  return {best, math.ceil(best_wait), 0}
end
local wait = math.min(best_wait or (earliest or now) - now, tonumber(ARGV[10]))
hold(wait)
return {0, math.ceil(wait), 0}
