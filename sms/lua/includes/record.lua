-- Read a record as a map. Missing fields are nil.
local function read(record_key)
  local record, flat = {}, redis.call('HGETALL', record_key)
  for i = 1, #flat, 2 do
    record[flat[i]] = flat[i + 1]
  end
  return record
end
