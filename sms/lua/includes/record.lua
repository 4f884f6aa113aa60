-- Some fields of a record, by their names. What it has not is nil.
local function read(record_key, ...)
  local record, values = {}, redis.call('HMGET', record_key, ...)
  for i, name in ipairs({ ... }) do
    record[name] = values[i] or nil
  end
  return record
end
