-- What the receivers of WEBHOOKS are told of a verification is kept while its code lives, as nothing else is left of one
-- that has expired; sms/webhooks/lua/sweep.lua tells of those.
--- @include "event"
local function wants_ends()
  return string.find(EVENTS, ';verification.', 1, true)
end

local function forget_told(id)
  redis.call('ZREM', VERIFICATIONS_END, id)
  redis.call('HDEL', VERIFICATIONS_TOLD, id)
end
