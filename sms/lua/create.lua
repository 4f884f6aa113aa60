-- Write a message: its record, its sealed text and its lease; drop the one that it replaces.
-- KEYS: record, body, leases, waiting, record of the replaced message, body of it, then for each alias
--       of its route: health, health in this country, rate, line, line of the codes
-- ARGV: id, sealed text, expires_at (ms; "" = lifetime from now), lifetime (ms), record kept (ms),
--       grace until a sweep looks for it (ms), id of the replaced message, longest wait (ms; 0 = any),
--       prefix of the drained keys of this queue, for each alias the ms that the message takes of its
--       rate (0 = no rate), field, value, ...
-- Returns created_at, expires_at (ms), 1 if the replaced message was cancelled by this;
-- or the ms that it would have to wait, where that is too long: then nothing is written.
--- @include "clock"
--- @include "breaker"
--- @include "rate"
--- @include "line"
local MARGIN = 0.85 -- of the longest wait: what waits is counted, how fast it is drained is guessed
local FEW = 10 -- so many may wait for whatever reason, such as one that the broker lost
local REMEMBERED = 60 -- seconds: a rate of longer ago may have been that of an outage
local STUCK = 3000 -- ms: only what has waited for longer tells how long a wait is
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local aliases = (#KEYS - 6) / 5
local expires_at = tonumber(ARGV[3]) or now + tonumber(ARGV[4])

-- How many a second stop waiting, out of the last full seconds in all of which some had to wait: in
-- others there was nothing to do. Nor count those before a worker started: nobody may have been there.
-- Without such a second, what was measured last, if that is not long ago.
local function drain(since)
  local last, seconds, drained = tonumber(time[1]) - 1, 0, 0
  local started = redis.call('GET', (string.gsub(ARGV[9], 'drained:([^:]*):$', 'started:%1')))
  since = math.max(since, tonumber(started or 0))
  for second = math.max(math.floor(since / 1000) + 1, last - 4), last do
    drained = drained + tonumber(redis.call('GET', ARGV[9] .. string.format('%d', second)) or 0)
    seconds = seconds + 1
  end
  local key = string.gsub(ARGV[9], 'drained:([^:]*):$', 'drain:%1')
  if drained > 0 then
    redis.call('SET', key, drained / seconds, 'EX', REMEMBERED)
    return drained / seconds
  end
  return tonumber(redis.call('GET', key) or 0)
end

local longest = tonumber(ARGV[8])
if longest > 0 then
  -- Until the first alias may be asked: one that is left out not before its next probe, one with a
  -- rate when those before it have gone.
  local soonest, shut = nil, false
  for i = 1, aliases do
    local health, there, rate, line, codes = unpack(KEYS, 5 * i + 2, 5 * i + 6)
    local takes = tonumber(ARGV[9 + i])
    local limit, _, probed_until = left_out(health)
    local limit_there, _, probed_there_until = left_out(there)
    -- A probe that is under way may let it go at once; where none is, this one may be it.
    local turn = math.max(limit - now, limit_there - now, 0)
    local closed = turn > 0 or probed_until > now or probed_there_until > now
    if takes > 0 then
      local before = redis.call('ZCOUNT', line, now - LAPSE, '+inf')
      if line ~= codes then
        before = before + redis.call('ZCOUNT', codes, now - LAPSE, '+inf')
      end
      turn = math.max(turn, next_call(rate, now) - now + before * takes)
    end
    if not soonest or turn < soonest then
      soonest, shut = turn, closed
    end
    if soonest == 0 then
      break
    end
  end
  -- And how many wait, by how many a second begin; no less than the oldest has waited. Those that an
  -- alias holds back (their score is still to come) count only where this one would be held back as well.
  local wait = soonest or 0
  local count = shut and redis.call('ZCARD', KEYS[4]) or redis.call('ZCOUNT', KEYS[4], '-inf', now)
  if count >= FEW then
    local first, head = unpack(redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES'))
    if shut then
      local record = string.sub(KEYS[1], 1, -1 - #ARGV[1]) .. first
      head = redis.call('HGET', record, 'created_at') or head
    end
    head = tonumber(head)
    local rate, age = drain(head), now - head
    wait = wait + math.max(rate > 0 and count * 1000 / rate or 0, age > STUCK and age or 0)
  end
  if wait > longest * MARGIN then
    return {math.ceil(wait)}
  end
end

local cancelled = 0
local replaced = redis.call('HMGET', KEYS[5], 'state', 'unknowns')
if replaced[1] == 'queued' then
  redis.call('HSET', KEYS[5], 'state', replaced[2] == '0' and 'cancelled' or 'unknown')
  redis.call('DEL', KEYS[6])
  redis.call('ZREM', KEYS[3], ARGV[7])
  redis.call('ZREM', KEYS[4], ARGV[7])
  leave_line(KEYS[5], ARGV[7])
  cancelled = 1
elseif replaced[1] == 'sending' then
  redis.call('HSET', KEYS[5], 'unwanted', 1) -- its attempt is the last, see move.lua and claim.lua
elseif replaced[1] == 'sent' or replaced[1] == 'failed' then
  redis.call('DEL', KEYS[6]) -- nor goes it to another alias if it is undelivered, nor is it replayed
end

redis.call('HSET', KEYS[1], 'state', 'queued', 'attempts', 0, 'unknowns', 0,
  'created_at', now, 'expires_at', expires_at, unpack(ARGV, 10 + aliases))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
-- The text dies with the code even if nobody ever claims the message.
redis.call('SET', KEYS[2], ARGV[2], 'PX', math.max(expires_at - now, 1))
redis.call('ZADD', KEYS[3], now + tonumber(ARGV[6]), ARGV[1])
redis.call('ZADD', KEYS[4], now, ARGV[1])
return {now, expires_at, cancelled}
