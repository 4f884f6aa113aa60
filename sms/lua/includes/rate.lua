-- The rate of an alias. Its rate key is when the next call may begin (ms): each moves it on by the ms
-- that it takes of the rate (GCRA), so calls cannot come in bunches, whoever brings them and how late.
-- What was left unused in the last CREDIT ms may still be used: a second sees at most 1.1 times the
-- rate, and one. Its line is a sorted set of those of one queue that wait, by the time (ms) for which they
-- were told to come back; who is more than LAPSE ms late loses the place.
local CREDIT, LAPSE = 100, 10000
local function next_call(rate, now)
  return math.max(tonumber(redis.call('GET', rate) or 0), now - CREDIT)
end
