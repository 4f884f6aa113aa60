-- What an alias could not deliver goes to another, if it lives. Returns whether it does.
--- @include "enter"
local function redirect(now, id, record, alias)
  if not may_go_on(record) or now >= tonumber(record.expires_at) or redis.call('EXISTS', BODY .. id) == 0 then
    return false
  end
  redis.call('HDEL', RECORD .. id, 'sent_at') -- the next alias has a time of its own
  enter(now, id, record, 'queued', now, {
    redirected = 1,
    avoid = alias,
    alias = '',
    provider_message_id = '',
    error = 'undelivered',
    fault = 'undelivered',
  })
  return true
end
