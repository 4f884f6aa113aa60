-- Do in small what every script does: read the clock, write a key of each kind. Nothing stays.
-- KEYS: mark of beat, then one key of each kind
-- ARGV: (none)
-- Returns 1 if beat has asked for a sweep of late, else 0.
local beat, probes = KEYS[1], { unpack(KEYS, 2) }
redis.call('TIME')
for _, key in ipairs(probes) do
  redis.call('SET', key, 1, 'PX', 1000)
  redis.call('DEL', key)
end
return redis.call('EXISTS', beat)
