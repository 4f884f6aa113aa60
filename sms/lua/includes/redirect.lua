-- Queue a message again for another alias, because this one could not deliver it. Returns whether it may still be sent.
--- @include "enter"
local function redirect(now, id, record, alias)
  if not may_go_on(record) or now >= tonumber(record.expires_at) or redis.call('EXISTS', BODY .. id) == 0 then
    return false
  end
  redis.call('HDEL', RECORD .. id, 'sent_at') -- the next alias sets its own
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
