-- Accept a message: its record, its sealed text, its lease, and the Celery entry that wakes a worker.
-- message: id, queue, sealed, kept (ms that the record is kept), fields (of the record), and where the queue
--          stands on this server entry: {key, text, enough}
--- @include "put"
local function accept(now, message, expires_at)
  local id, queue, fields, entry = message.id, message.queue, message.fields, message.entry
  local record = RECORD .. id
  fields.state, fields.queue, fields.attempts, fields.unknowns = 'queued', queue, 0, 0
  fields.created_at, fields.expires_at = now, expires_at
  put(record, fields)
  redis.call('PEXPIRE', record, message.kept)
  -- The text dies with the code even if nobody ever claims the message.
  redis.call('SET', BODY .. id, message.sealed, 'PX', math.max(expires_at - now, 1))
  redis.call('ZADD', LEASES .. queue, now, id)
  redis.call('ZADD', WAITING .. queue, now, id)
  if entry and redis.call('LLEN', entry.key) < entry.enough then
    redis.call('LPUSH', entry.key, entry.text)
  end
end
