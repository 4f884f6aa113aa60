local function slice(list, first, count)
  return {unpack(list, first, first + count - 1)}
end
