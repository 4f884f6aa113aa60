-- A record by the names of its fields. What it has not is nil.
local function read(record_key)
  local record, flat = {}, redis.call('HGETALL', record_key)
  for i = 1, #flat, 2 do
    record[flat[i]] = flat[i + 1]
  end
  return record
end
