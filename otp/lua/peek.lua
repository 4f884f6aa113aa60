-- Whether a code could be issued: asked before whatever costs money is asked about the number.
-- KEYS: phone, failures, pairs of phone and failures under older secrets, limits
-- ARGV: how many older pairs, values of the limits
-- Returns {} or what generate.lua would: {pending, ms to wait}, {blocked, …}, {limited, …, index}.
--- @include "clock"
--- @include "slice"
--- @include "carry"
--- @include "phone"
--- @include "limits"
local now, older = clock(), tonumber(ARGV[1])
carry(KEYS[1], KEYS[2], slice(KEYS, 3, 2 * older))
local refused = phone_refuses(now, tonumber(redis.call('HGET', KEYS[1], 'resend_at') or 0), KEYS[2])
if refused then
  return refused
end
local first = 3 + 2 * older
local index, wait = limits_refuse(now, slice(KEYS, first, #KEYS - first + 1), slice(ARGV, 2, #ARGV - 1))
if index then
  return {'limited', wait, index - 1}
end
return {}
