-- Read a session on the hosted pages, or take one of its steps. See otp.sessions.
-- ARGV: args (JSON): id, and at most one of
--   browser   digest of the browser that opens it
--   cell      number of the cell in which a verification for it begins
--   ended     {verification, verified}, the result that includes/end_session.lua left in that cell
-- Returns JSON: its fields; {} if there is none
--- @include "record"
--- @include "end_session"
local args = cjson.decode(ARGV[1])
local session = SESSION .. args.id

if redis.call('EXISTS', session) == 0 then
  return '{}'
end
if args.browser then
  redis.call('HSETNX', session, 'browser', args.browser)
end
if args.cell then
  local known = redis.call('HGET', session, 'cells')
  if not string.find(',' .. (known or '') .. ',', ',' .. args.cell .. ',', 1, true) then
    redis.call('HSET', session, 'cells', known and known .. ',' .. args.cell or args.cell)
  end
end
if args.ended then
  end_session(args.id, args.ended.verification, args.ended.verified)
end
return cjson.encode(read(session))
