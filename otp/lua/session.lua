-- Read a hosted hand-off, or open it in a browser. See otp.sessions.
-- ARGV: args (JSON): id, browser (digest of the browser that opens it; none: only read)
-- Returns JSON: its fields; {} if there is none
--- @include "record"
local args = cjson.decode(ARGV[1])
local session = SESSION .. args.id

if redis.call('EXISTS', session) == 0 then
  return '{}'
end
if args.browser then
  redis.call('HSETNX', session, 'browser', args.browser)
end
return cjson.encode(read(session))
