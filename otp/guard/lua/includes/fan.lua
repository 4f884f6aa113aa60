-- The countries of an address within a day that nobody has verified, as "<country>:<ms of the first send>", the oldest
-- first.

-- All that still count but for one country; when the oldest of them was (ms); whether that one country is among them too.
local function read_fan(text, now, apart)
  local fan, oldest, has_it = {}, nil, false
  for entry, country, at in string.gmatch(text or '', '((%w+):(%d+))') do
    if now - at < LENGTH[DAY] then
      if country == apart then
        has_it = true
      else
        fan[#fan + 1], oldest = entry, oldest or tonumber(at)
      end
    end
  end
  return fan, oldest, has_it
end

local function write_fan(key, fan)
  if #fan > 0 then
    redis.call('SET', key, table.concat(fan, ' '), 'PX', LENGTH[DAY])
  else
    redis.call('DEL', key)
  end
end
