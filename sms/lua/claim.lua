-- Win the right to hand a message to a provider, or learn why not.
-- KEYS: record, body.  ARGV: id, lease (ms), prefixes of the leases and the waiting keys
-- Returns a verdict (claimed, gone, early, busy, done, expired, failed, unknown, cancelled); with the
-- first and the last four also the record as a flat list, the sealed text ('' unless claimed), the ms that remain,
-- and the alias in whose call the last worker died ('' if none did).
--- @include "clock"
--- @include "line"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call('HMGET', KEYS[1], 'state', 'expires_at', 'not_before', 'lease_until',
  'unknowns', 'resend_unknown', 'queue', 'unwanted', 'calling', 'redirected', 'withheld')
local state = record[1]
if not state then
  return {'gone'}
end
local expires_at, queue = tonumber(record[2]), record[7]
local leases = ARGV[3] .. queue
local died = ''

local function settle(final)
  redis.call('HSET', KEYS[1], 'state', final)
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', leases, ARGV[1])
  redis.call('ZREM', ARGV[4] .. queue, ARGV[1])
  leave_line(KEYS[1], ARGV[1])
  return {final, redis.call('HGETALL', KEYS[1]), '', 0, died}
end

if state == 'queued' then
  -- A second queue entry of the same message must not run its next round early.
  if now < tonumber(record[3] or 0) then
    return {'early'}
  end
elseif state == 'sending' then
  if now < tonumber(record[4]) then
    return {'busy'}
  end
  died = record[9] or ''
  if died ~= '' then
    -- The worker died inside the call: what became of its attempt, nobody knows. Codes get one
    -- more attempt, elsewhere if possible; everything else stops here.
    redis.call('HSET', KEYS[1], 'avoid', died)
    local unknowns = redis.call('HINCRBY', KEYS[1], 'unknowns', 1)
    if record[6] ~= '1' or record[8] or record[10] or unknowns > 1 or now >= expires_at then
      return settle('unknown')
    end
  elseif record[8] then
    return settle(tonumber(record[5]) > 0 and 'unknown' or 'cancelled')
  end
else
  redis.call('ZREM', leases, ARGV[1])
  return {'done'}
end

if (record[11] or '') ~= '' then
  return settle('cancelled') -- nobody is to get it
end
local sealed = redis.call('GET', KEYS[2])
if now >= expires_at or not sealed then
  -- What may have been sent before has not "died before it could be sent".
  if tonumber(record[5]) > 0 then
    return settle('unknown')
  end
  return settle(record[10] and 'failed' or 'expired') -- redirected: a receipt said why it did not arrive
end
redis.call('HSET', KEYS[1], 'state', 'sending', 'lease_until', now + tonumber(ARGV[2]), 'calling', '',
  'undelivered', '')
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('ZADD', leases, now + tonumber(ARGV[2]), ARGV[1])
return {'claimed', redis.call('HGETALL', KEYS[1]), sealed, expires_at - now, died}
