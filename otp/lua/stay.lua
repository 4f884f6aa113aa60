-- The code of a verification goes by no other channel. Whoever sent it on meanwhile has written when that is looked at.
-- ARGV: args (JSON): id, message_id (that did not work)
-- Returns JSON: {}
local args = cjson.decode(ARGV[1])
if redis.call('HGET', VERIFICATION .. args.id, 'reference') == args.message_id then
  redis.call('ZREM', NEXT_CHANNEL, args.id)
end
return '{}'
