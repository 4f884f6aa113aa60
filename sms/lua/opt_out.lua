-- Put numbers on an opt-out list.
-- ARGV: args (JSON): list (its key), digests (of the numbers), kept (ms that an opt-out is)
-- Returns JSON: added (how many were not on it).
--- @include "clock"
local args = cjson.decode(ARGV[1])
local now, added = clock(), 0
for _, digest in ipairs(args.digests) do
  added = added + redis.call('ZADD', args.list, now + args.kept, digest)
end
redis.call('ZREMRANGEBYSCORE', args.list, '-inf', now) -- last: once it has written, a full server stops no script
redis.call('PEXPIRE', args.list, args.kept)
return cjson.encode({ added = added })
