-- Return the server's time (ms), so that no two machines have to agree on it.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
