-- luacheck: ignore 211 (some of these scripts need a part of it)
-- The rate of an alias. Its rate key is when the next call may begin (ms): each moves it on by the ms
-- that it takes of the rate (GCRA), so calls cannot come in bunches, whoever brings them and how late.
-- What was left unused in the last CREDIT ms may still be used: a second sees at most 1.1 times the
-- rate, and one. Its line is a sorted set of those of one queue that wait, by the time (ms) for which they
-- were told to come back; who is more than LAPSE ms late loses the place.
local CREDIT, LAPSE = 100, 10000
local function next_call(rate, now)
  return math.max(tonumber(redis.call('GET', rate) or 0), now - CREDIT)
end

-- A call to an alias begins, which takes so many ms of its rate; 0: it has none.
local function take_from_rate(now, alias, takes)
  if takes > 0 then
    local free = next_call(RATE .. alias, now) + takes
    redis.call('SET', RATE .. alias, free, 'PX', math.ceil(free - now) + 1000)
  end
end
