--- @include "money"

-- Add millionths to what was spent today; negative ones are given back.
local function add_spent(now, more)
  local spent = math.max(spent_today(redis.call('GET', GUARD_SPEND), now) + more, 0)
  local text = string.format('%d %d', math.floor(now / LENGTH[DAY]), spent)
  redis.call('SET', GUARD_SPEND, text, 'PX', 2 * LENGTH[DAY])
end
