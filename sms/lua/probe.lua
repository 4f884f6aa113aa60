-- Do in small what every script does: read the clock, write a key of each kind. Nothing stays.
-- KEYS: mark of beat, then one key of each kind
-- ARGV: (none)
-- Returns 1 if beat has asked for a sweep of late, else 0.
local beat = KEYS[1]
redis.call('TIME')
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], 1, 'PX', 1000)
  redis.call('DEL', KEYS[i])
end
return redis.call('EXISTS', beat)
