-- (begins with health.lua)
-- Choose the alias for one call: healthy, not over its rate, first in the order; note it in the record.
-- KEYS: record, then for each candidate: health, health in this country, rate
-- ARGV: attempt that must still hold the message ("" = any), alias that keeps its turn from an earlier
--       wait ("" = none), longest wait (ms), a probe lasts (ms), window, share, fewest, pause (see
--       health.lua), then for each candidate: alias, good outcomes not yet counted, ms that this
--       message takes of the rate (0 = no rate)
-- Returns {index, ms to wait, 1 if it is a probe}; index 0: none may be asked for so many ms, or the
-- message is no longer to be sent by this attempt.
local now = clock()
if ARGV[1] ~= '' then
  local record = redis.call('HMGET', KEYS[1], 'state', 'attempts', 'unwanted', 'expires_at')
  if record[1] ~= 'sending' or record[2] ~= ARGV[1] or record[3] or now >= tonumber(record[4]) then
    return {0, 0, 0}
  end
end

local function blocked(key)
  local h = redis.call('HMGET', key, 'open_until', 'hold_until', 'probe_until')
  local open_until = tonumber(h[1] or 0)
  local limit = math.max(open_until, tonumber(h[2] or 0))
  local half_open = open_until > 0 and limit <= now
  if half_open then
    limit = math.max(limit, tonumber(h[3] or 0)) -- one probe at a time
  end
  return limit, half_open
end

local best, best_wait, earliest
for i = 1, (#KEYS - 1) / 3 do
  local health, there, rate = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1]
  local alias, good, takes = ARGV[3 * i + 6], tonumber(ARGV[3 * i + 7]), tonumber(ARGV[3 * i + 8])
  if good > 0 then
    observe(health, now, good, 0, tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]))
  end
  local limit, probe = blocked(health)
  local limit_there, probe_there = blocked(there)
  limit = math.max(limit, limit_there)
  if limit > now then
    earliest = math.min(earliest or limit, limit)
  else
    local wait, next_free = 0, 0
    if takes > 0 then
      next_free = math.max(tonumber(redis.call('GET', rate) or 0), now)
      wait = alias == ARGV[2] and 0 or next_free - now
    end
    if wait == 0 then
      if takes > 0 and alias ~= ARGV[2] then
        redis.call('SET', rate, next_free + takes, 'PX', math.ceil(next_free + takes - now) + 1000)
      end
      if probe then
        redis.call('HSET', health, 'probe_until', now + tonumber(ARGV[4]))
      end
      if probe_there then
        redis.call('HSET', there, 'probe_until', now + tonumber(ARGV[4]))
      end
      redis.call('HSET', KEYS[1], 'alias', alias, 'calling', alias)
      return {i, 0, (probe or probe_there) and 1 or 0}
    end
    if not best_wait or wait < best_wait then
      best, best_wait = i, wait
    end
  end
end
if best and best_wait <= tonumber(ARGV[3]) then
  local rate, takes = KEYS[3 * best + 1], tonumber(ARGV[3 * best + 8])
  local next_free = now + best_wait
  redis.call('SET', rate, next_free + takes, 'PX', math.ceil(next_free + takes - now) + 1000)
  return {best, math.ceil(best_wait), 0}
end
return {0, math.ceil(best_wait or (earliest and earliest - now) or 0), 0}
