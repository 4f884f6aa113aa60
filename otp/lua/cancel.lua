-- Forget a code. The cooldown of its phone stays, or start and cancel would flood it.
-- KEYS: verification, then limits; or phone (then its newest verification is meant), its failures, and
--       the pairs of these under older secrets
-- ARGV: by_id or by_phone, 1 = its SMS never was: no cooldown, the code that it replaced lives on, nothing
--       of a limit is used up, and the guard forgets it; owner ("" = whoever it is); values of the limits
--       (see limits.lua)
-- Returns {1 if there was a live code, reference, id, purpose}.
--- @include "clock"
--- @include "slice"
--- @include "carry"
--- @include "limits"
--- @include "guard"
local key, id = KEYS[1], ''
if ARGV[1] == 'by_phone' then
  carry(KEYS[1], KEYS[2], slice(KEYS, 3, #KEYS - 2))
  id = redis.call('HGET', KEYS[1], 'id')
  if not id then
    return {0, '', '', ''}
  end
  key = VERIFICATION .. id
end
local code = redis.call('HMGET', key, 'status', 'reference', 'purpose', 'phone', 'guard', 'owner', 'before',
  'failures')
local replaced = code[1] == 'replaced' -- dead; gone, it cannot come back either
if code[1] ~= 'pending' and code[1] ~= 'blocked' and not replaced or ARGV[3] ~= '' and ARGV[3] ~= code[6] then
  return {0, '', '', ''}
end
redis.call('DEL', key)
if ARGV[2] == '1' then
  local now = clock()
  local sends = tonumber(redis.call('HGET', code[4], 'sends') or 0)
  local old = VERIFICATION .. (code[7] or '')
  if replaced or sends == 0 then
    -- The place of its phone is another's by now, or nobody's.
  elseif redis.call('HGET', old, 'status') == 'replaced' then
    redis.call('HSET', old, 'status', 'pending', 'phone', code[4], 'failures', code[8])
    -- Not at once: starts that fail one after the other must not keep it dead.
    redis.call('HSET', code[4], 'id', code[7], 'sends', sends - 1, 'resend_at', now + AFTER_FAILURE)
  elseif sends > 1 then
    redis.call('HDEL', code[4], 'id')
    redis.call('HSET', code[4], 'sends', sends - 1, 'resend_at', now)
  else
    redis.call('DEL', code[4])
  end
  if (code[5] or '') ~= '' then
    guard_library().unsent(now, code[5])
  end
  limits_take_back(now, slice(KEYS, 2, #KEYS - 1), slice(ARGV, 4, #ARGV - 3))
end
if replaced then
  return {0, '', '', ''}
end
return {1, code[2], id, code[3]}
