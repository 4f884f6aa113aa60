-- Ask for a sweep of a queue unless one is under way, and leave word that beat is there.
-- KEYS: marker of the asked-for sweep, when beat asked last, since when nobody has run a sweep of this queue
-- ARGV: args (JSON), in ms: pending (a sweep keeps others from being asked for), silent (beat may be), remembered
-- Returns the time in ms if none is under way, else nothing.
local marker_key, beat_key, unswept_key = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])

--- @include "clock"

local now = clock()
redis.call('SET', beat_key, now, 'PX', args.remembered)
redis.call('SET', unswept_key, now, 'NX', 'PX', args.silent)
redis.call('PEXPIRE', unswept_key, args.silent) -- while nobody asks nobody can say that none is run
if redis.call('SET', marker_key, 1, 'NX', 'PX', args.pending) then
  return now
end
return nil
