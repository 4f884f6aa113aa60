-- Try what every script needs: read the clock, and write a key of each kind. Nothing stays.
-- KEYS: keys to read, then one key of each kind to write
-- ARGV: how many to read
-- Returns the time (ms), then the numbers read, 0 for a missing key
local reads = tonumber(ARGV[1])

--- @include "clock"

local found = { clock() }
for n, key in ipairs(KEYS) do
  if n <= reads then
    table.insert(found, tonumber(redis.call('GET', key) or 0))
  else
    redis.call('SET', key, 1, 'PX', 1000)
    redis.call('DEL', key)
  end
end
return found
