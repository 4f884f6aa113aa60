-- While a code lives, keep the data for the event that its verification will end with. When a verification
-- expires, nothing else is left of it.
-- sms/webhooks/lua/sweep.lua sends the event of those that expired.
--- @include "event"
local function wants_ends()
  return string.find(EVENTS, ';verification.', 1, true)
end

local function forget_told(id)
  redis.call('ZREM', VERIFICATIONS_END, id)
  redis.call('HDEL', VERIFICATIONS_TOLD, id)
end
