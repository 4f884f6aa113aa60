-- The request that claimed an Idempotency-Key is over: keep its answer, or let go of the key.
-- KEYS: record of the key
-- ARGV: digest of the request, token of this try, sealed answer ('' if none is to be kept), ms to keep it
-- Returns 0 if another try has the key by now, as this one took longer than its time.
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[2] then
  return 0
end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'request', ARGV[1], 'holder', ARGV[2], 'answer', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
