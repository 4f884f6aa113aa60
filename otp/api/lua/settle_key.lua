-- Settle an Idempotency-Key when its request is over: keep the answer, or release the key.
-- KEYS: record of the key
-- ARGV:
--   digest of the request
--   token of this try
--   sealed answer; '' if none is to be kept
--   ms to keep the answer
-- Returns 1; 0 if this try took too long and another has the key by now
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
