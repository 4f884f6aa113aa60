-- One step of a hosted hand-off: open it, finish it, or look at it. See otp.sessions.
-- ARGV: args (JSON): id; browser (digest of the one that opens it; none: nobody does); verified (names and values that its
--       verification leaves, once; none: there is no verification yet), lifetime (ms that it is kept after that)
-- Returns JSON: its fields, {} if there is none.
--- @include "record"
local args = cjson.decode(ARGV[1])
local session = SESSION .. args.id

if redis.call('EXISTS', session) == 0 then
  return '{}'
end
if args.browser then
  redis.call('HSETNX', session, 'browser', args.browser)
end
if args.verified and redis.call('HGET', session, 'status') == 'pending' then
  redis.call('HSET', session, 'status', 'valid', unpack(args.verified))
  redis.call('PEXPIRE', session, args.lifetime)
end
return cjson.encode(read(session))
