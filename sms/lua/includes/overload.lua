-- Whether a message would have to wait for too long.
--- @include "left_out"
--- @include "rate"
local MARGIN = 0.85 -- of the longest wait: what waits is counted, how fast that goes down is guessed
local FEW = 10 -- so many may wait for whatever reason, such as one that the broker lost
local REMEMBERED = 60 -- seconds: a pace of longer ago may have been that of an outage
local STUCK = 3000 -- ms: only what has waited for longer tells how long a wait is
local LOOKED_AT = 4 -- full seconds before this one

-- How many a second stop waiting, out of the last full seconds in all of which some had to wait: in others
-- there was nothing to do. Nor count those before a worker started: nobody may have been there. Without such a
-- second, what was measured last, if that is not long ago.
local function pace_of(now, queue, since)
  local last, seconds, begun = math.floor(now / 1000) - 1, 0, 0
  since = math.max(since, tonumber(redis.call('GET', STARTED .. queue) or 0))
  for second = math.max(math.floor(since / 1000) + 1, last - LOOKED_AT), last do
    begun = begun + tonumber(redis.call('GET', DRAINED .. queue .. ':' .. string.format('%d', second)) or 0)
    seconds = seconds + 1
  end
  if begun > 0 then
    redis.call('SET', DRAIN .. queue, begun / seconds, 'EX', REMEMBERED)
    return begun / seconds
  end
  return tonumber(redis.call('GET', DRAIN .. queue) or 0)
end

-- Ms until the first alias of the route may be asked: one that is left out not before its next probe, one with a
-- rate when those before it have gone. Then whether that one is left out.
local function soonest_call(now, aliases)
  local soonest, shut = nil, false
  for _, alias in ipairs(aliases) do
    local out_until, _, probed_until = left_out(alias.health)
    local out_there_until, _, probed_there_until = left_out(alias.there)
    -- A probe that is under way may let it go at once; where none is, this one may be it.
    local wait = math.max(out_until - now, out_there_until - now, 0)
    local closed = wait > 0 or probed_until > now or probed_there_until > now
    if alias.takes > 0 then
      local before = redis.call('ZCOUNT', alias.line, now - LAPSE, '+inf')
      if alias.line ~= alias.codes then
        before = before + redis.call('ZCOUNT', alias.codes, now - LAPSE, '+inf')
      end
      wait = math.max(wait, next_call(alias.rate, now) - now + before * alias.takes)
    end
    if not soonest or wait < soonest then
      soonest, shut = wait, closed
    end
    if soonest == 0 then
      break
    end
  end
  return soonest or 0, shut
end

-- The ms that a message would have to wait, if that is too long; else nil.
-- message: queue, longest_wait (ms; 0: any), aliases (of its route, each with its keys health, there: in this
--          country, rate, line, codes: the line of codes; and takes: the ms that the message takes of its rate)
local function overload(now, message)
  if message.longest_wait == 0 then
    return nil
  end
  local wait, shut = soonest_call(now, message.aliases)
  -- And how many wait, by how many a second begin; no less than the oldest has waited. Those that an
  -- alias holds back (their score is still to come) count only where this one would be held back as well.
  local waiting = WAITING .. message.queue
  local count = shut and redis.call('ZCARD', waiting) or redis.call('ZCOUNT', waiting, '-inf', now)
  if count >= FEW then
    local first, head = unpack(redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES'))
    if shut then
      head = redis.call('HGET', RECORD .. first, 'created_at') or head
    end
    head = tonumber(head)
    local pace, age = pace_of(now, message.queue, head), now - head
    wait = wait + math.max(pace > 0 and count * 1000 / pace or 0, age > STUCK and age or 0)
  end
  return wait > message.longest_wait * MARGIN and math.ceil(wait) or nil
end
