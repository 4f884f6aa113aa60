-- Move a message to another state, if it may go there from where it is.
-- KEYS: record, body, dead letters
-- ARGV: id, target, states that may become the target (",a,b,"), attempt that must still be the
--       newest ("" = any), ms until the next round ("" = none: the message is settled),
--       1 if the outcome of the attempt is unknown, 1 if a round of all aliases is over, 1 if it
--       becomes a dead letter, prefixes of the lease and the waiting keys, ms that dead letters
--       are kept, alias that a receipt comes from ("" = it is none), prefix of the health keys,
--       window, share, fewest, pause (see includes/breaker.lua), field, value, ...
-- Returns 1 if it moved, else 0, the record as a flat list (empty if there is none), 1 if what the
-- receipt says opened the breaker of its alias in this country, and 1 if that alias was never asked.
--- @include "clock"
--- @include "breaker"
--- @include "line"
local record = redis.call('HMGET', KEYS[1], 'state', 'attempts', 'queue', 'unknowns', 'unwanted',
  'resend_unknown', 'redirected', 'expires_at', 'alias', 'country', 'calling', 'avoid', 'hops', 'undelivered',
  'line', 'error')
if not record[1] then
  return {0, {}, 0, 0}
end
local allowed = string.find(ARGV[3], ',' .. record[1] .. ',', 1, true)
local receipt = ARGV[12] ~= ''
if receipt then
  -- Whoever holds the secret of one alias says nothing of what another one sent. 'asked' has all of them;
  -- a worker of before wrote the latest alone, and the one that may have it.
  local asked = redis.call('HGET', KEYS[1], 'asked') or ''
  asked = ',' .. table.concat({asked, record[9] or '', record[11] or '', record[12] or ''}, ',') .. ','
  if not string.find(asked, ',' .. ARGV[12] .. ',', 1, true) then
    return {0, redis.call('HGETALL', KEYS[1]), 0, 1}
  end
end
local whose = record[1] == 'sending' and record[11] or record[9]
if receipt and ARGV[2] == 'failed' and ARGV[12] ~= whose then
  allowed = nil -- what one alias could not deliver may be in the hands of another by now
elseif receipt and ARGV[2] == 'failed' and record[1] == 'sending' then
  redis.call('HSET', KEYS[1], 'undelivered', ARGV[12]) -- decided when the call has answered
  allowed = nil
elseif receipt and ARGV[2] == 'sent' and record[7] and ARGV[12] == record[12] then
  allowed = nil -- the alias that could not deliver it repeats an earlier word
elseif receipt and ARGV[2] == 'unknown' and record[1] ~= 'sent' then
  allowed = nil -- a word that nobody knows ends nothing
end
if not allowed or (ARGV[4] ~= '' and ARGV[4] ~= record[2]) then
  if ARGV[2] == 'cancelled' and record[1] == 'sending' then
    redis.call('HSET', KEYS[1], 'unwanted', 1) -- too late for this attempt, but it is the last
  elseif ARGV[2] == 'cancelled' and (record[1] == 'sent' or record[1] == 'failed') then
    redis.call('DEL', KEYS[2]) -- nor goes it to another alias if it is undelivered, nor is it replayed
  end
  return {0, redis.call('HGETALL', KEYS[1]), 0, 0}
end
if record[16] == 'unsealable' then -- a worker could open it after all, or it is called back
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('HSET', KEYS[1], 'error', '')
end
local now, opened = clock(), 0
-- Whether another alias of the route could take over: one that is not left out, nor was and waits for its
-- probe. Whoever may start verifications can name phones that are off; that must not close a country.
local function another_is_well()
  for name in string.gmatch(record[13] or '', '[^,]+') do
    local limit, open = left_out(ARGV[13] .. name)
    local limit_there, open_there = left_out(ARGV[13] .. name .. ':' .. (record[10] or ''))
    if name ~= ARGV[12] and not open and not open_there and math.max(limit, limit_there) <= now then
      return true
    end
  end
  return false
end
if receipt and (ARGV[2] == 'failed' or ARGV[2] == 'delivered') then
  local bad = ARGV[2] == 'failed' and 1 or 0
  opened = observe(ARGV[13] .. ARGV[12] .. ':' .. (record[10] or ''), now, 1 - bad, bad,
    tonumber(ARGV[14]), tonumber(ARGV[15]), bad == 1 and another_is_well() and tonumber(ARGV[16]) or nil,
    tonumber(ARGV[17]))
end
local target, retry_in = ARGV[2], tonumber(ARGV[5])
if target == 'queued' and record[5] then
  target, retry_in = 'cancelled', nil
end
local unknowns = redis.call('HINCRBY', KEYS[1], 'unknowns', ARGV[6])
-- An earlier attempt may have worked, so nobody but a receipt can say that nothing was sent.
if unknowns > 0 and (target == 'cancelled' or (target == 'failed' and ARGV[4] ~= '')) then
  target = 'unknown'
end
-- A receipt says that a code did not arrive while it lives: it goes to another alias, once.
local undelivered = receipt and target == 'failed' and ARGV[12]
if target == 'sent' and not receipt and (record[14] or '') ~= '' and record[14] == record[11] then
  undelivered, target = record[14], 'failed' -- the receipt came before the answer of the call
end
if undelivered and record[6] == '1' and not record[5] and not record[7] and unknowns == 0 and string.find(record[13] or '', ',', 1, true)
    and now < tonumber(record[8]) and redis.call('EXISTS', KEYS[2]) == 1 then
  target, retry_in = 'queued', 0
  redis.call('HSET', KEYS[1], 'state', target, 'redirected', 1, 'avoid', undelivered,
    'alias', '', 'provider_message_id', '', 'error', 'undelivered')
else
  redis.call('HSET', KEYS[1], 'state', target, unpack(ARGV, 18))
end
if ARGV[7] == '1' then
  redis.call('HINCRBY', KEYS[1], 'rounds', 1)
end
if record[15] and (not retry_in or redis.call('HGET', KEYS[1], 'turn') == '') then
  leave_line(KEYS[1], ARGV[1])
end
local leases = ARGV[9] .. record[3]
if retry_in then
  redis.call('HSET', KEYS[1], 'not_before', now + retry_in)
  redis.call('ZADD', leases, now + retry_in, ARGV[1])
  return {1, redis.call('HGETALL', KEYS[1]), opened, 0}
end
redis.call('ZREM', leases, ARGV[1])
redis.call('ZREM', ARGV[10] .. record[3], ARGV[1])
if target == 'failed' and ARGV[8] == '1' then
  -- What may still be sent keeps its sealed text until it expires.
  redis.call('ZADD', KEYS[3], now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - tonumber(ARGV[11]))
  redis.call('PEXPIRE', KEYS[3], ARGV[11])
elseif not ((target == 'sent' or receipt and target == 'unknown') and record[6] == '1' and not record[5]) then
  redis.call('DEL', KEYS[2]) -- a code keeps its own while it lives, in case it is undelivered
end
return {1, redis.call('HGETALL', KEYS[1]), opened, 0}
