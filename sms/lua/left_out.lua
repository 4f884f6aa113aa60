-- List the aliases that are left out now, and those whose pause is over but that still wait for a probe to work.
-- Workers skip the hub for all others: see sms.hub.
-- Returns a list of aliases, and of alias:country
--- @include "clock"
--- @include "left_out"
local now, found = clock(), {}
for _, name in ipairs(redis.call('ZRANGE', LEFT_OUT, 0, -1)) do
  local shut_until, is_open = left_out(HEALTH .. name)
  if is_open or shut_until > now then
    table.insert(found, name)
  else
    redis.call('ZREM', LEFT_OUT, name)
  end
end
return found
