-- Read the present state of queues, breakers and rates; see sms.standing. Writes nothing.
-- ARGV: args (JSON):
--   queues              name → keys {leases, waiting, unswept}
--   dead, beat, swept   keys
--   breakers            name → health key
--   window              of the breakers (ms)
--   rates               alias → rate key
--   lines               alias → queue → key
-- Returns JSON: the same, each with its fields in sms.standing; memory is absent if the server does not tell it
--- @include "clock"
--- @include "left_out"
--- @include "rate"
local args = cjson.decode(ARGV[1])
local now = clock()

-- Return the seconds since the time at a key; nil if there is none. The previous version wrote 1 for beat.
local function since(key)
  local ms = tonumber(redis.call('GET', key) or 1)
  return ms > 1 and math.max(now - ms, 0) / 1000 or nil
end

local function queue_of(keys)
  local head = redis.call('ZRANGE', keys.waiting, 0, 0, 'WITHSCORES')[2]
  return {
    unsettled = redis.call('ZCARD', keys.leases),
    due = redis.call('ZCOUNT', keys.leases, '-inf', now),
    backlog = redis.call('ZCOUNT', keys.waiting, '-inf', now),
    held_back = redis.call('ZCOUNT', keys.waiting, '(' .. now, '+inf'),
    oldest = math.max(now - tonumber(head or now), 0) / 1000,
    unswept = since(keys.unswept) or 0,
  }
end

local found =
  { dead_letters = redis.call('ZCARD', args.dead), beat = since(args.beat), swept = since(args.swept) }

-- Estimate the outcomes in the sliding window. is, was: counts of the window that began then, and of the one before
local function of_late(began, is, was)
  local windows = (now - (tonumber(began) or now)) / args.window
  local is_left, was_left = math.min(math.max(2 - windows, 0), 1), math.max(1 - windows, 0)
  return math.floor((tonumber(is) or 0) * is_left + (tonumber(was) or 0) * was_left + 0.5)
end

-- Return the health of an alias, everywhere or in one country.
local function health_of(health_key)
  local shut_until, open = left_out(health_key)
  local opened_at, began, good, bad, was_good, was_bad =
    unpack(redis.call('HMGET', health_key, 'opened_at', 'since', 'good', 'bad', 'was_good', 'was_bad'))
  return {
    open = open,
    since = open and opened_at and (now - opened_at) / 1000 or nil,
    wait = math.max(shut_until - now, 0) / 1000,
    good = of_late(began, good, was_good),
    bad = of_late(began, bad, was_bad),
  }
end

found.queues, found.health, found.rates = {}, {}, {}
for name, keys in pairs(args.queues) do
  found.queues[name] = queue_of(keys)
end
for name, health_key in pairs(args.breakers) do
  found.health[name] = health_of(health_key)
end
for alias, rate_key in pairs(args.rates) do
  local lines = {}
  for queue, key in pairs(args.lines[alias]) do
    lines[queue] = redis.call('ZCOUNT', key, now - LAPSE, '+inf')
  end
  found.rates[alias] = { wait = math.max(next_call(rate_key, now) - now, 0) / 1000, lines = lines }
end

local info = redis.pcall('INFO', 'memory')
if type(info) == 'string' then
  local used, most = string.match(info, 'used_memory:(%d+)'), string.match(info, 'maxmemory:(%d+)')
  found.memory = used and { used = tonumber(used), most = tonumber(most or 0) } or nil
end
return cjson.encode(found)
