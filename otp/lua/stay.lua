-- Stop looking for another channel for a verification. Does nothing if it has a newer message: whoever sent that one
-- has scheduled the next look.
-- ARGV: args (JSON): id, message_id (of the message that did not work)
-- Returns JSON: {}
local args = cjson.decode(ARGV[1])
if redis.call('HGET', VERIFICATION .. args.id, 'reference') == args.message_id then
  redis.call('ZREM', NEXT_CHANNEL, args.id)
end
return '{}'
