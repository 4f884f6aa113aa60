-- Forgive the latest wrong guess, if there is one: this one was right.
local function limits_forgive(now, limits)
  for _, limit in ipairs(limits) do
    if not limit.at_once then
      redis.call('LPOP', limit.key)
    else
      local full = tonumber(redis.call('GET', limit.key) or 0) - limit.window / limit.most
      if full > now then
        redis.call('SET', limit.key, full, 'PX', math.ceil(full - now))
      else
        redis.call('DEL', limit.key)
      end
    end
  end
end
