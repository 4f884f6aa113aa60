-- luacheck: ignore 211 (some of these scripts need a part of it)
-- The rate of an alias, by GCRA. Its rate key is when the next call may begin (ms). Each call moves that on by the ms
-- that it takes, so calls never come in bursts, whichever workers make them and however late.
-- Unused time of the last CREDIT ms may still be used: a second sees at most 1.1 times the rate, plus one call.
-- A line is a sorted set of the waiting messages of one queue, by when they were told to come back (ms). A message that
-- is more than LAPSE ms late loses its place.
local CREDIT, LAPSE = 100, 10000
local function next_call(rate, now)
  return math.max(tonumber(redis.call('GET', rate) or 0), now - CREDIT)
end

-- Record that a call to an alias begins. takes: ms of its rate; 0: it has none; negative: the call is not made
local function take_from_rate(now, alias, takes)
  if takes ~= 0 then
    local free = math.max(next_call(RATE .. alias, now) + takes, now - CREDIT)
    redis.call('SET', RATE .. alias, free, 'PX', math.ceil(free - now) + 1000)
  end
end
