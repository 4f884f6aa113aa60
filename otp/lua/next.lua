-- Find codes that should now go by another channel: their message has failed, or its receipt is overdue.
-- ARGV: args (JSON): most (verifications to look at)
-- Returns JSON: {due}, a list of
--   id           of the verification
--   message_id   of the message that did not work
-- The caller sends each on, or drops it with stay.lua. Otherwise it is due again after AGAIN ms.
--- @include "clock"
--- @include "record"
local args = cjson.decode(ARGV[1])
local AGAIN = 20000 -- ms until a code that was returned and not sent on is due again
local NOT_SENT = 2000 -- ms until the next look at a message that no provider has taken yet

local now = clock()

-- Return the ms within which nearly all receipts of an alias arrive (see learn_arrival.lua of sms), at most `most`.
-- Where no receipt has come yet, that is `most`.
local function usual_arrival(alias, country, most)
  local mean, deviation = unpack(redis.call('HMGET', ARRIVAL .. alias .. ':' .. country, 'mean', 'deviation'))
  return mean and math.min(mean + 4 * deviation, most) or most
end

-- Tell whether an earlier message with the same code has been delivered after all. id: of the latest of them
local function has_arrived(id)
  while id do
    local state, before = unpack(redis.call('HMGET', RECORD .. id, 'state', 'before'))
    if state == 'delivered' then
      return true
    end
    id = before
  end
  return false
end

-- Return a message's state. A withheld message goes to no provider, so return the state that it would have reached:
-- delivered where its alias sends receipts, else sent.
local function as_it_looks(record)
  if record.state ~= 'cancelled' or not record.withheld then
    return record.state
  end
  local alias = string.match(record.hops or '', '^[^,]+') or ''
  record.alias = alias
  local reports = redis.call('EXISTS', ARRIVAL .. alias .. ':' .. (record.country or '')) == 1
  return reports and 'delivered' or 'sent'
end

-- Return when a code is due (ms), which may be in the past, and its message id. Nil if it never is.
local function due_at(id)
  local status, message_id, patience =
    unpack(redis.call('HMGET', VERIFICATION .. id, 'status', 'reference', 'patience'))
  if status ~= 'pending' or not patience then
    return nil
  end
  local record = read(RECORD .. message_id)
  local state = as_it_looks(record)
  if state == 'queued' or state == 'sending' then
    return now + NOT_SENT, message_id
  elseif has_arrived(record.before) then
    return nil
  elseif state == 'failed' then
    return now, message_id
  elseif state ~= 'sent' and state ~= 'unknown' then
    return nil
  end
  local least, most = string.match(patience, '^(%d+) (%d+)$')
  local wait = usual_arrival(record.alias, record.country or '', tonumber(most))
  return (record.sent_at or record.created_at) + math.max(wait, tonumber(least)), message_id
end

local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', NEXT_CHANNEL, '-inf', now, 'LIMIT', 0, args.most)) do
  local at, message_id = due_at(id)
  if not at then
    redis.call('ZREM', NEXT_CHANNEL, id)
  elseif at > now then
    redis.call('ZADD', NEXT_CHANNEL, at, id)
  else
    redis.call('ZADD', NEXT_CHANNEL, now + AGAIN, id)
    table.insert(due, { id = id, message_id = message_id })
  end
end
return #due > 0 and cjson.encode({ due = due }) or '{}'
