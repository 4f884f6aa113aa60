-- The money of a day (UTC), in millionths.

-- Which day it is, and what it has cost so far.
local function read_spent(now)
  local day, spent = string.match(get_text(GUARD_SPEND) or '', '^(%d+) (%d+)$')
  local today = math.floor(now / DAY)
  return today, tonumber(day) == today and tonumber(spent) or 0
end

local function pay(now, price)
  local today, spent = read_spent(now)
  set_text(GUARD_SPEND, string.format('%d %d', today, spent + price), 2 * DAY)
end

local function budget_refuses(now, ask)
  if ask.budget > 0 then
    local today, spent = read_spent(now)
    if spent + ask.price > ask.budget then
      return { reason = 'budget all', wait = (today + 1) * DAY - now }
    end
  end
end
