-- How long after the call of an alias the receipt comes that says "delivered", by country: mean and deviation of the latest,
-- as TCP learns how long an answer takes (RFC 6298, section 2).
local ARRIVAL_KEPT = 35 * 86400000 -- ms without one after which nothing is known any more

local function learn_arrival(alias, country, ms)
  local key = ARRIVAL .. alias .. ':' .. country
  local mean, deviation = unpack(redis.call('HMGET', key, 'mean', 'deviation'))
  if mean then
    deviation = 0.75 * deviation + 0.25 * math.abs(mean - ms)
    mean = 0.875 * mean + 0.125 * ms
  else
    mean, deviation = ms, ms / 2
  end
  redis.call('HSET', key, 'mean', mean, 'deviation', deviation)
  redis.call('PEXPIRE', key, ARRIVAL_KEPT)
end
