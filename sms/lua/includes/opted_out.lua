-- Return the aliases of a route from which a number has not opted out.
-- hops: aliases with commas between, as in the result
-- marks: {key, digest} pairs of the number, see sms.optouts; none for a code, which may go by any alias
local function not_opted_out(now, hops, marks)
  local left = {}
  for alias in string.gmatch(hops, '[^,]+') do
    local out = false
    for _, mark in ipairs(marks or {}) do
      local until_when = redis.call('ZSCORE', OPTOUTS .. alias .. ':' .. mark[1], mark[2])
      out = out or (until_when and tonumber(until_when) > now)
    end
    if not out then
      table.insert(left, alias)
    end
  end
  return table.concat(left, ',')
end
