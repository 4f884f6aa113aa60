-- Estimate when the next call for a message could begin, as far as that depends on the aliases of its route.
--- @include "left_out"
--- @include "rate"

-- aliases: each with
--   health   its health key
--   there    its health key in this country
--   rate     key
--   line     key
--   codes    key of its line of codes
--   takes    ms of its rate that the message takes
-- Returns {wait (ms until any of them may be asked), shut (true if that one is left out)}. An alias that is left out
-- waits for its next probe; one with a rate, for the messages in its line.
local function outlook_of(now, aliases)
  local soonest, shut = nil, false
  for _, alias in ipairs(aliases) do
    local out_until, _, probed_until = left_out(alias.health)
    local out_there_until, _, probed_there_until = left_out(alias.there)
    -- A running probe may free the alias at once; if none runs, this message may be the probe.
    local wait = math.max(out_until - now, out_there_until - now, 0)
    local closed = wait > 0 or probed_until > now or probed_there_until > now
    if alias.takes > 0 then
      local before = redis.call('ZCOUNT', alias.line, now - LAPSE, '+inf')
      if alias.line ~= alias.codes then
        before = before + redis.call('ZCOUNT', alias.codes, now - LAPSE, '+inf')
      end
      wait = math.max(wait, next_call(alias.rate, now) - now + before * alias.takes)
    end
    if not soonest or wait < soonest then
      soonest, shut = wait, closed
    end
    if soonest == 0 then
      break
    end
  end
  return { wait = soonest or 0, shut = shut }
end
