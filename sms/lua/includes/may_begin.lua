-- Return how many follow-up calls may begin now by the rate of their alias: none while codes wait for it.
-- takes: ms of the rate that each call takes
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
