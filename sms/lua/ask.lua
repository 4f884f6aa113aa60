-- Ask for a sweep of a queue, unless one is pending. Also note that beat is alive.
-- KEYS: mark of a pending sweep, time of beat's last request, time since which no sweep of this queue was run
-- ARGV: args (JSON), all in ms:
--   pending      how long a request keeps others from being made
--   silent       how long beat may be silent
--   remembered   how long to keep the time of beat's last request
-- Returns the time (ms) if a sweep should be sent, else nothing
local marker_key, beat_key, unswept_key = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])

--- @include "clock"

local now = clock()
redis.call('SET', beat_key, now, 'PX', args.remembered)
redis.call('SET', unswept_key, now, 'NX', 'PX', args.silent)
redis.call('PEXPIRE', unswept_key, args.silent) -- without requests, nobody can tell that none is run
if redis.call('SET', marker_key, 1, 'NX', 'PX', args.pending) then
  return now
end
return nil
