-- Take the latest count off each limit, because this guess was right or this start was not made.
-- Call limits_refuse first: it fills in fields that this reads.
local function limits_forgive(now, limits)
  for _, limit in ipairs(limits) do
    local full = limit.at_once and limit.full - limit.takes
    if full and full > now then
      redis.call('SET', limit.key, full, 'PX', math.ceil(full - now))
    elseif full and limit.full > 0 then
      redis.call('DEL', limit.key)
    elseif limit.used and limit.used > 0 then
      redis.call('LPOP', limit.key)
    end
  end
end
