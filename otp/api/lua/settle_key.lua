-- The request that claimed an Idempotency-Key is over: keep its answer, or let go of the key.
-- KEYS: record of the key
-- ARGV: digest of the request, token of this try, sealed answer ('' if none is to be kept), ms to keep it
-- Returns 0 if another try has the key by now, as this one took longer than its time.
local key = KEYS[1]
local request, token, answer, kept_for = unpack(ARGV)
local holder = redis.call('HGET', key, 'holder')
if holder and holder ~= token then
  return 0
end
if answer == '' then
  redis.call('DEL', key)
else
  redis.call('HSET', key, 'request', request, 'holder', token, 'answer', answer)
  redis.call('PEXPIRE', key, kept_for)
end
return 1
