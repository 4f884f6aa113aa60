-- Keep the data of a verification's last event while its code lives: nothing else is left of one that expires.
-- sms/webhooks/lua/sweep.lua sends the event of those that expired.
--- @include "event"
local function wants_ends()
  return string.find(EVENTS, ';verification.', 1, true)
end

local function forget_told(id)
  redis.call('ZREM', VERIFICATIONS_END, id)
  redis.call('HDEL', VERIFICATIONS_TOLD, id)
end
