-- Return how many attempts a code has left, and the field that counts them.
-- Guesses by_id and by_phone are counted apart: anybody can guess at a number, and that must not use up the
-- attempts of whoever holds the id. A code made by an older version has one count for both.
local function attempts(by, left, left_by_phone)
  if by == 'by_phone' and left_by_phone then
    return tonumber(left_by_phone), 'left_by_phone'
  end
  return tonumber(left), 'left'
end
