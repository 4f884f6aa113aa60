-- How many calls that follow others may begin now, as far as the rate of their alias goes: none while codes wait for it.
-- takes: the ms of its rate that each takes
--- @include "rate"
--- @include "line_key"
local function may_begin(now, alias, takes)
  if takes == 0 then
    return math.huge
  end
  if redis.call('ZCOUNT', line_key_of(alias, CODES), now - LAPSE, '+inf') > 0 then
    return 0
  end
  return math.max(math.floor((now - next_call(RATE .. alias, now)) / takes) + 1, 0)
end
