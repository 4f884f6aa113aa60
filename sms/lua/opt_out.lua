-- Add numbers to an opt-out list.
-- ARGV: args (JSON): list (key), digests (of the numbers), kept (ms to keep an opt-out)
-- Returns JSON: {added}, how many were not on the list
--- @include "clock"
local args = cjson.decode(ARGV[1])
local now, added = clock(), 0
for _, digest in ipairs(args.digests) do
  added = added + redis.call('ZADD', args.list, now + args.kept, digest)
end
redis.call('ZREMRANGEBYSCORE', args.list, '-inf', now) -- after the writes: a full server stops no script that has written
redis.call('PEXPIRE', args.list, args.kept)
return cjson.encode({ added = added })
