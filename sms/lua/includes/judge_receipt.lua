-- Count a receipt for the breaker of its alias in one country.
--- @include "breaker"
--- @include "left_out"
--- @include "was_left_out"

-- hops: aliases of the message's route, with commas between
-- Returns whether this opened the breaker.
local function judge_receipt(now, alias, country, hops, is_bad, breaker)
  -- Tell whether the route has another alias that could take over: one that is neither left out nor waiting for its
  -- probe.
  -- Otherwise the breaker stays closed: anybody who may start verifications could name phones that are switched off,
  -- and so close a whole country.
  local function another_is_well()
    for name in string.gmatch(hops or '', '[^,]+') do
      local shut, open = left_out(health_key_of(name))
      local shut_there, open_there = left_out(health_key_of(name, country))
      if name ~= alias and not open and not open_there and math.max(shut, shut_there) <= now then
        return true
      end
    end
    return false
  end

  local good, bad = is_bad and 0 or 1, is_bad and 1 or 0
  local opened =
    observe(health_key_of(alias, country), now, good, bad, breaker, is_bad and not another_is_well())
  if opened then
    was_left_out(now, alias, country)
  end
  return opened
end
