-- Accept a message: its record, its sealed text, its lease, and the Celery entry that wakes a worker.
--- @include "states"
local MOST_FOUND = 100 -- ids kept for one number, reference and so on; the latest

-- message:
--   id
--   queue
--   sealed     the text
--   kept       ms to keep the record
--   fields     of the record
--   found_by   keys of the lists by which it can be found
--   entry      {key, text, enough} if the queue is on this server: the Celery entry, pushed if the queue has less
--              than enough
local function accept(now, message, expires_at)
  local id, queue, entry = message.id, message.queue, message.entry
  local record = RECORD .. id
  local fields = { 'queue', queue, 'attempts', 0, 'unknowns', 0, 'created_at', now, 'expires_at', expires_at }
  for name, value in pairs(message.fields) do
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
  -- attempts: claims; a worker whose claim is no longer the newest may record no outcome but 'sent'. calls: provider
  -- calls that have ended.
  redis.call('HSET', record, 'state', 'queued', 'calls', 0, unpack(fields))
  redis.call('PEXPIRE', record, message.kept)
  -- The text expires with the code even if nobody ever claims the message.
  redis.call('SET', BODY .. id, message.sealed, 'PX', math.max(expires_at - now, 1))
  redis.call('ZADD', LEASES .. queue, now, id)
  redis.call('ZADD', WAITING .. queue, now, id)
  for _, key in ipairs(message.found_by) do
    if redis.call('LPUSH', key, id) > MOST_FOUND then
      redis.call('LTRIM', key, 0, MOST_FOUND - 1)
    end
    redis.call('PEXPIRE', key, message.kept)
  end
  count_state(now, 'queued', '', message.fields.country or '', queue, message.fields.purpose or '')
  if entry and redis.call('LLEN', entry.key) < entry.enough then
    redis.call('LPUSH', entry.key, entry.text)
  end
end
