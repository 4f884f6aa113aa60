-- One guess: is there a live code, may it still be guessed, did the same address or key guess wrong too often
-- elsewhere, is it right; count or consume.
-- KEYS: verification; or phone (then its newest verification is meant), its failures, and the pairs of
--       these under older secrets; limits on wrong guesses
-- ARGV: name of the digest to hold the guess against (by_id or by_phone), owner ("" = whoever it is), how
--       many digests, digests of the guess (one for each secret), values of the limits (see limits.lua)
-- Returns {status, attempts left, reference, id, purpose}, or, where it was not compared, {limited, ms to
--         wait, index of the limit}.
--- @include "clock"
--- @include "slice"
--- @include "carry"
--- @include "attempts"
--- @include "limits"
--- @include "guard"
local key, id = KEYS[1], ''
local digests = tonumber(ARGV[3])
local limits = (#ARGV - 3 - digests) / 3
if ARGV[1] == 'by_phone' then
  carry(KEYS[1], KEYS[2], slice(KEYS, 3, #KEYS - 2 - limits))
  id = redis.call('HGET', KEYS[1], 'id')
  if not id then
    return {'expired', 0, '', '', ''}
  end
  key = VERIFICATION .. id
end

local code = redis.call('HMGET', key, 'status', ARGV[1], 'phone', 'failures', 'reference', 'purpose', 'guard',
  'owner', 'left', 'left_by_phone')
local status, failures_key, reference, purpose = code[1], code[4], code[5], code[6]
local anothers = ARGV[2] ~= '' and ARGV[2] ~= code[8]
-- Accepted once is accepted, again is too late; and the newest alone counts.
if not status or status == 'valid' or status == 'replaced' or anothers then
  return {'expired', 0, '', id, ''}
end
local left, counted = attempts(ARGV[1], code[9], code[10])
local failures = tonumber(redis.call('GET', failures_key) or 0)
if status == 'blocked' or left <= 0 or failures >= MOST_FAILURES then
  return {'blocked', 0, reference, id, purpose}
end

local now, limit_keys, limit_values = nil, nil, nil
if limits > 0 then
  now = clock()
  limit_keys = slice(KEYS, #KEYS - limits + 1, limits)
  limit_values = slice(ARGV, 4 + digests, 3 * limits)
  local index, wait = limits_refuse(now, limit_keys, limit_values)
  if index then
    return {'limited', wait, index - 1}
  end
end

for i = 4, 3 + digests do
  if ARGV[i] == code[2] then
    -- Keep a tombstone until the code expires, so that its status can be asked for.
    redis.call('HSET', key, 'status', 'valid')
    redis.call('HDEL', key, 'seed', 'by_id', 'by_phone', 'envelope', 'guard', 'former')
    redis.call('DEL', code[3], failures_key)
    if limits > 0 then
      limits_take_back(now, limit_keys, limit_values) -- most guesses of people are right
    end
    if (code[7] or '') ~= '' then
      guard_library().verified(now or clock(), code[7])
    end
    return {'valid', left - 1, reference, id, purpose}
  end
end

left = redis.call('HINCRBY', key, counted, -1)
redis.call('INCR', failures_key)
redis.call('PEXPIRE', failures_key, FAILURES_KEPT)
if limits > 0 then
  limits_count(now, limit_keys, limit_values)
end
if left <= 0 and counted == 'left' then -- by its id, or its only count: no way is left
  redis.call('HSET', key, 'status', 'blocked')
  redis.call('HDEL', key, 'seed', 'by_id', 'by_phone', 'envelope', 'former')
end
return {'invalid', left, reference, id, purpose}
