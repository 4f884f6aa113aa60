-- Read a record as a map. Missing fields are nil. Three of a message's fields:
--   unwanted     1: recalled too late for the attempt under way, which is therefore its last
--   withheld     why no provider is to get it; '' or nil: it may be sent
--   redirected   1: an alias that took it could not deliver it, so it went to another
local function read(record_key)
  local record, flat = {}, redis.call('HGETALL', record_key)
  for i = 1, #flat, 2 do
    record[flat[i]] = flat[i + 1]
  end
  return record
end
