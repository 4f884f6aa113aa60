-- Count one more towards each limit. Call limits_refuse first: it fills in fields that this reads.
local function limits_count(now, limits)
  for _, limit in ipairs(limits) do
    if limit.at_once then
      local full = math.max(limit.full, now) + limit.takes
      redis.call('SET', limit.key, full, 'PX', math.ceil(full - now))
    else
      redis.call('LPUSH', limit.key, now)
      if limit.used >= limit.most then
        redis.call('LTRIM', limit.key, 0, limit.most - 1)
      end
      redis.call('PEXPIRE', limit.key, limit.window)
    end
  end
end
