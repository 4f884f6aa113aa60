-- Return the key of a line: the messages of a queue that wait for the rate of an alias. Same as names.line in Python.
local function line_key_of(alias, queue)
  return LINE .. alias .. ':' .. queue
end
