-- Tell how a call to an alias ended.
-- KEYS: health (of the alias, or of the alias in one country), record of the message, and if this was
--       a probe that failed or was not made, all for which it was one: the next may begin
-- ARGV: good, bad (0 or 1), 1 = open at once, hold (ms that the vendor asked for, 0 = none),
--       window, share, fewest, pause (see includes/breaker.lua), attempt that the alias did definitely not take
--       ("" = another outcome): if its worker dies from now on, nothing is unknown
-- Returns 1 if this opened the breaker, -1 if it closed it, else 0.
--- @include "clock"
--- @include "breaker"
local now = clock()
for i = 3, #KEYS do
  redis.call('HDEL', KEYS[i], 'probe_until')
end
if ARGV[9] ~= '' and redis.call('HGET', KEYS[2], 'attempts') == ARGV[9] then
  redis.call('HSET', KEYS[2], 'calling', '')
end
local pause = tonumber(ARGV[8])
local was_open = redis.call('HEXISTS', KEYS[1], 'open_until') == 1
local opened = observe(KEYS[1], now, tonumber(ARGV[1]), tonumber(ARGV[2]),
  tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), pause)
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'open_until', now + pause)
  redis.call('HDEL', KEYS[1], 'probe_until')
  return was_open and 0 or 1
end
if tonumber(ARGV[4]) > 0 then
  -- The longest of them: answers cross, and the latest is not the one that knows best.
  local held = tonumber(redis.call('HGET', KEYS[1], 'hold_until') or 0)
  redis.call('HSET', KEYS[1], 'hold_until', math.max(held, now + tonumber(ARGV[4])))
end
if was_open and ARGV[1] == '1' then
  -- The probe worked: what was before it counts no more.
  redis.call('DEL', KEYS[1])
  return -1
end
return opened
