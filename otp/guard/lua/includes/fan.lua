-- The fan of an IP address: the countries for which it asked for codes within a day, without one being
-- verified there since.
-- A list of "<country>:<ms of the first send>" with spaces between, oldest first.

-- Return the entries that still count, without the country `apart`; when the oldest was (ms); whether `apart` was among
-- them.
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
