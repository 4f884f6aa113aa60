-- One guess: is there a live code, may it still be guessed, did the same address or key guess wrong too often
-- elsewhere, is it right; count or consume. The SMS of a code that is over is called back.
-- KEYS: the verification; or phone (then its newest one is meant) and its failures
-- ARGV: args (JSON): by (by_id or by_phone: the digest to compare with), guesses (digests of the guess, one for each
--       secret), limits (on wrong guesses, see includes/limits.lua), older (see includes/carry.lua), owner (none: whoever)
-- Returns JSON: {status, left, id, purpose, reference, called_back (record of the SMS)}, or, where it was not
--         compared, {status = 'limited', wait (ms), limit (its place)}.
--- @include "clock"
--- @include "carry"
--- @include "attempts"
--- @include "limits"
--- @include "forgive"
--- @include "guard"
--- @include "call_back"
--- @include "count_limits"
local args = cjson.decode(ARGV[1])
local verification, id = KEYS[1], ''
if args.by == 'by_phone' then
  local phone, failures = KEYS[1], KEYS[2]
  carry(phone, failures, args.older)
  id = redis.call('HGET', phone, 'id') or ''
  verification = VERIFICATION .. id
end
local status, digest, phone, failures, reference, purpose, guard, owner, left_by_id, left_by_phone = unpack(
  redis.call(
    'HMGET',
    verification,
    'status',
    args.by,
    'phone',
    'failures',
    'reference',
    'purpose',
    'guard',
    'owner',
    'left',
    'left_by_phone'
  )
)
local anothers = args.owner and args.owner ~= owner
-- Accepted once is accepted, again is too late.
if status ~= 'pending' and status ~= 'blocked' or anothers then
  return cjson.encode({ status = 'expired', left = 0, id = id })
end
local answer = { status = 'blocked', left = 0, id = id, purpose = purpose, reference = reference or nil }
local left, counted = attempts(args.by, left_by_id, left_by_phone)
if status == 'blocked' or left <= 0 or tonumber(redis.call('GET', failures) or 0) >= MOST_FAILURES then
  return cjson.encode(answer)
end

local now = clock()
local limit, wait = limits_refuse(now, args.limits)
if limit then
  return cjson.encode({ status = 'limited', wait = wait, limit = limit })
end

for _, guess in ipairs(args.guesses) do
  if guess == digest then
    -- Keep a tombstone until the code expires, so that its status can be asked for.
    redis.call('HSET', verification, 'status', 'valid')
    redis.call('HDEL', verification, 'seed', 'by_id', 'by_phone', 'envelope', 'guard')
    redis.call('DEL', phone, failures)
    limits_forgive(now, args.limits) -- most guesses of people are right
    if guard and guard ~= '' then
      guard_library().verified(now, guard)
    end
    answer.status, answer.left = 'valid', left - 1
    answer.called_back = reference and call_back(reference) or nil
    return cjson.encode(answer)
  end
end

left = redis.call('HINCRBY', verification, counted, -1)
redis.call('INCR', failures)
redis.call('PEXPIRE', failures, FAILURES_KEPT)
limits_count(now, args.limits)
answer.status, answer.left = 'invalid', left
if left <= 0 and counted == 'left' then -- by its id, or its only count: no way is left
  redis.call('HSET', verification, 'status', 'blocked')
  redis.call('HDEL', verification, 'seed', 'by_id', 'by_phone', 'envelope')
  answer.called_back = reference and call_back(reference) or nil
end
return cjson.encode(answer)
