-- Where those of a queue wait for the rate of an alias. As names.line in Python.
local function line_key_of(alias, queue)
  return LINE .. alias .. ':' .. queue
end
