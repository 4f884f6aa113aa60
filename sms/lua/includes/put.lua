-- Set fields of a hash, given as a map.
local function put(key, fields)
  local flat = {}
  for name, value in pairs(fields) do
    flat[#flat + 1], flat[#flat + 2] = name, value
  end
  redis.call('HSET', key, unpack(flat))
end
