-- Claim an Idempotency-Key for a request, or learn what became of the request that claimed it before.
-- KEYS: record of the key
-- ARGV:
--   digest of the request
--   token of this try
--   ms for which a try has the key to itself
-- Returns {word, sealed answer}. The word is claimed, reused (by another request), running or answered.
local key = KEYS[1]
local request, holder, claimed_for = unpack(ARGV)
local known_request, answer = unpack(redis.call('HMGET', key, 'request', 'answer'))
if not known_request then
  redis.call('HSET', key, 'request', request, 'holder', holder)
  redis.call('PEXPIRE', key, claimed_for)
  return { 'claimed', '' }
end
if known_request ~= request then
  return { 'reused', '' }
end
if not answer then
  return { 'running', '' }
end
return { 'answered', answer }
