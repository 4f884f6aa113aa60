-- Estimate whether a message would have to wait too long.
--- @include "outlook"
local MARGIN = 0.85 -- of the longest wait, as the pace is only an estimate
local FEW = 10 -- this many may always wait: the broker may have lost an entry, for example
local REMEMBERED = 60 -- seconds; an older pace may be that of an outage
local STUCK = 3000 -- ms; shorter waits tell nothing about the pace
local LOOKED_AT = 4 -- full seconds before this one

-- Return how many messages stop waiting in a second, averaged over the last full seconds.
-- Seconds in which nothing waited do not count, as there was nothing to do. Nor do seconds before a worker started, as
-- nobody may have been there. If none is left, return the last pace that was measured, unless it is too old.
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

-- Return the ms that a message would have to wait if that is too long, else nil.
-- message:
--   queue
--   longest_wait   ms; 0: no limit
--   aliases        of the route, see outlook.lua
--   outlook        what outlook.lua returned in the hub, if the message is in another cell
local function overload(now, message)
  if message.longest_wait == 0 then
    return nil
  end
  local outlook = message.outlook or outlook_of(now, message.aliases)
  local wait, shut = outlook.wait, outlook.shut
  -- Add the time for the queue: its length divided by the pace, or the age of its oldest message if that is more.
  -- Messages that an alias holds back have a score in the future. They count only if this one is held back too.
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
