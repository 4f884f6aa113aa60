-- The first request under an Idempotency-Key claims it; every other learns what became of that one.
-- KEYS: record of the key
-- ARGV: digest of the request, token of this try, ms for which a try has the key to itself
-- Returns {word, sealed answer}: claimed, reused (by another request), running or answered.
local found = redis.call('HMGET', KEYS[1], 'request', 'answer')
if not found[1] then
  redis.call('HSET', KEYS[1], 'request', ARGV[1], 'holder', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return { 'claimed', '' }
end
if found[1] ~= ARGV[1] then
  return { 'reused', '' }
end
if not found[2] then
  return { 'running', '' }
end
return { 'answered', found[2] }
