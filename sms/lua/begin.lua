-- Note in the record of a claimed message which alias the hub picked for it, see pick.lua.
-- ARGV: args (JSON): id, attempt (that must still hold the message), picked (see includes/pick.lua)
-- Returns JSON: chosen (see includes/note_choice.lua; nil: do not send)
--- @include "clock"
--- @include "record"
--- @include "note_choice"
local args = cjson.decode(ARGV[1])

local now, id = clock(), args.id
local record = read(RECORD .. id)
if record.state ~= 'sending' or args.attempt ~= tonumber(record.attempts) or record.unwanted then
  return '{}'
end
-- The lease of choose.lua began before the hub was asked, and the call may take nearly all of it.
redis.call('HSET', RECORD .. id, 'lease_until', now + LEASE)
redis.call('ZADD', LEASES .. record.queue, now + LEASE, id)
return cjson.encode({ chosen = note_choice(now, id, record, args.picked, true) })
