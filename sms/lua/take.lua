-- Win the right to hand a message to a provider, and choose the alias that gets it; or learn why not.
-- KEYS: (none: which message it will be is known here alone; names begin with RECORD, BODY, LEASES, …)
-- ARGV: 1 = args: id of a message ('' = none), queues from which the lowest due one is taken (the first goes
--       before the id), aliases of this worker by name (each with free: it has a slot, and per_message or
--       per_segment: ms that either takes of its rate), breaker, probe, later, good (see includes/choice.lua)
-- Returns a verdict: claimed; expired, failed, unknown or cancelled if this settled it; gone, early, busy or
-- done if the id cannot be claimed; idle if nothing is due. Then the id; if claimed or settled also the record (see
-- includes/shown.lua), the alias in whose call the last worker died, the sealed text, the ms that remain, and the choice:
-- the alias ('' for none), ms to wait (-1: nothing was chosen), 1 if it is a probe; and of the record 1 if it may be
-- sent once more when its outcome is unknown, rounds, avoid, turn, hops.
--- @include "clock"
--- @include "record"
--- @include "choice"
--- @include "shown"
--- @include "waits_no_more"
local args = cjson.decode(ARGV[1])

local now = clock()
local MANY = 100 -- so many that are not due after all are looked at in one call

-- The aliases of its route that may be asked now, and whether these are all of them; nil if the record does not
-- say enough.
local function candidates_for(record)
  local hops, avoided = {}, nil
  for alias in string.gmatch(record.hops or '', '[^,]+') do
    if alias == record.avoid then
      avoided = alias
    elseif alias == record.turn then -- those before it may not outdo it by failing once more
      table.insert(hops, 1, alias)
    else
      table.insert(hops, alias)
    end
  end
  if #hops == 0 then -- the alias that may have the message already comes only where there is no other
    hops = { avoided }
  end
  local ready = {}
  for _, alias in ipairs(hops) do
    local known = args.aliases[alias]
    if not known or not record.parts then
      return nil
    end
    if known.free then
      local takes = known.per_message or known.per_segment * tonumber(record.parts)
      table.insert(ready, { alias = alias, takes = takes })
    end
  end
  return ready, #ready == #hops
end

-- Only for a code: whoever dies before the call leaves a doubt, and a code is sent once more. Nor for what a worker
-- could not open: it might stand in a line for nothing.
local function chosen(id, record_key, record)
  local ready, are_all = candidates_for(record)
  if record.resend_unknown ~= '1' or record.error == 'unsealable' or not ready or #ready == 0 then
    return '', -1, false
  end
  return choose(now, {
    id = id,
    key = record_key,
    queue = record.queue,
    line = record.queue,
    country = record.country or '',
    asked = record.asked or '',
    turn = record.turn,
    patience = tonumber(record.expires_at) - now,
    held = are_all,
  }, ready, args)
end

local function claim(id)
  local record_key, body_key = RECORD .. id, BODY .. id
  local record = read(record_key)
  local state, queue = record.state, record.queue
  if not state or not record.expires_at then
    return { 'gone', id }
  end
  local expires_at, unknowns = tonumber(record.expires_at), tonumber(record.unknowns)
  local died_in = ''

  local function settle(final)
    redis.call('HSET', record_key, 'state', final)
    redis.call('DEL', body_key)
    waits_no_more(id, record_key, queue)
    return { final, id, shown(record_key), died_in }
  end

  if state == 'queued' then
    local due = tonumber(record.not_before or 0)
    if now < due then -- a second queue entry of the same message must not run its next round early
      redis.call('ZADD', LEASES .. queue, 'XX', due, id)
      return { 'early', id }
    end
  elseif state == 'sending' then
    local lease_until = tonumber(record.lease_until)
    if now < lease_until then
      redis.call('ZADD', LEASES .. queue, 'XX', lease_until, id)
      return { 'busy', id }
    end
    died_in = record.calling or ''
    if died_in ~= '' then
      -- The worker died inside the call: what became of its attempt, nobody knows. Codes get one
      -- more attempt, elsewhere if possible; everything else stops here.
      record.avoid = died_in
      redis.call('HSET', record_key, 'avoid', died_in)
      unknowns = redis.call('HINCRBY', record_key, 'unknowns', 1)
      local is_code = record.resend_unknown == '1'
      if not is_code or record.unwanted or record.redirected or unknowns > 1 or now >= expires_at then
        return settle('unknown')
      end
    elseif record.unwanted then
      return settle(unknowns > 0 and 'unknown' or 'cancelled')
    end
  else
    redis.call('ZREM', LEASES .. queue, id)
    return { 'done', id }
  end

  if (record.withheld or '') ~= '' then
    return settle('cancelled') -- nobody is to get it
  end
  local sealed = redis.call('GET', body_key)
  if now >= expires_at or not sealed then
    -- What may have been sent before has not "died before it could be sent".
    if unknowns > 0 then
      return settle('unknown')
    end
    return settle(record.redirected and 'failed' or 'expired') -- redirected: a receipt said why
  end
  put(record_key, { state = 'sending', lease_until = now + LEASE, calling = '', undelivered = '' })
  redis.call('HINCRBY', record_key, 'attempts', 1)
  redis.call('ZADD', LEASES .. queue, now + LEASE, id)
  local alias, wait, probes = chosen(id, record_key, record)
  -- Once more in all, whatever the reason.
  local again = record.resend_unknown == '1' and unknowns == 0 and not record.redirected
  return {
    'claimed',
    id,
    shown(record_key),
    died_in,
    sealed,
    expires_at - now,
    alias,
    wait,
    probes and 1 or 0,
    again and 1 or 0,
    tonumber(record.rounds or 0),
    record.avoid or '',
    record.turn or '',
    record.hops or '',
  }
end

-- Claim the lowest due message of a queue; nil if there is none.
local function claim_due(queue)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES .. queue, '-inf', now, 'LIMIT', 0, MANY)) do
    local answer = claim(id)
    if answer[3] then
      return answer
    elseif answer[1] == 'gone' then
      redis.call('ZREM', LEASES .. queue, id)
      redis.call('ZREM', WAITING .. queue, id)
    end
  end
end

count_good(now, args.good, args.breaker)
local first = args.queues[1]
local mine = { 'idle', '' }
if args.id ~= '' then
  -- Codes before everything else, also before the message whose entry this is.
  local codes = first and redis.call('HGET', RECORD .. args.id, 'queue') ~= first and claim_due(first)
  if codes then
    return codes
  end
  mine = claim(args.id)
  if mine[3] or mine[1] == 'gone' then
    return mine
  end
end
for _, queue in ipairs(args.queues) do
  local answer = claim_due(queue)
  if answer then
    return answer
  end
end
return mine
