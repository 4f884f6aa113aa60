-- Learn how long after a call the "delivered" receipts of an alias arrive in a country: mean and deviation of the latest
-- ones, smoothed as TCP smooths round-trip times (RFC 6298, section 2).
local ARRIVAL_KEPT = 35 * 86400000 -- ms without a receipt after which this is forgotten

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
