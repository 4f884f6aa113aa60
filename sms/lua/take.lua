-- Claim a message for a hand-off to a provider and choose its alias, or say why not.
-- ARGV: args (JSON):
--   id        of a message; '': any
--   queues    in which to look for the earliest due message; the first queue comes before id, the others after it
--   aliases   that this worker may call, see includes/pick.lua
--   breaker   see includes/breaker.lua
--   apart     true: breakers and rates are in the hub
-- Returns JSON:
--   verdict    claimed
--              expired, failed, unknown, cancelled: this script has settled the message
--              gone, early, busy, done: the id cannot be claimed
--              idle: nothing is due
--   id
--   record     if claimed or settled
--   left_out   alias during whose call the last worker died, if that opened its breaker
--   died       that alias, with `apart`: the hub has to hear of it
--   sealed     the text, if claimed
--   remaining  ms until it expires, if claimed
--   chosen     if claimed, see includes/note_choice.lua; nil if no alias was chosen here
--- @include "clock"
--- @include "record"
--- @include "choice"
--- @include "breaker"
--- @include "enter"
--- @include "tally"
--- @include "story"
--- @include "was_left_out"
local args = cjson.decode(ARGV[1])
local MANY = 100 -- entries to look at for one that can be claimed

local now = clock()

-- Choose an alias here for codes only. Once an alias is chosen, Redis cannot tell whether a dead worker made the call,
-- and only codes are sent once more. Choose none for a message that no worker could open: it might keep a place in the
-- line of a rate without being sent.
local function chosen_for(id, record)
  local is_known = record.parts and (record.hops or '') ~= ''
  local is_code = record.queue == CODES and record.resend_unknown == '1'
  if not is_known or not is_code or record.error == 'unsealable' then
    return nil
  end
  local want = {
    id = id,
    record = record,
    hops = record.hops,
    parts = tonumber(record.parts),
    failed = {},
    aliases = args.aliases,
  }
  if not args.apart then
    return choose(now, want)
  end
  local first = (candidates(want) or {})[1]
  local known = first and args.aliases[first]
  if known and known.free and known.well then -- the hub would pick it too
    local picked = { alias = first, channel = known.channel, wait = 0, probe = false }
    return note_choice(now, id, record, picked, true)
  end
end

local function claim(id)
  local record_key = RECORD .. id
  local record = read(record_key)
  local state, queue = record.state, record.queue
  if not state or not record.expires_at then
    return { verdict = 'gone', id = id }
  end
  local expires_at = tonumber(record.expires_at)
  record.unknowns = tonumber(record.unknowns)
  local opened, died -- the alias whose breaker this opened; the one during whose call a worker died

  local function settle(final)
    enter(now, id, record, final, nil, { error = record.error })
    return { verdict = final, id = id, record = read(record_key), left_out = opened, died = died }
  end

  if state == 'queued' then
    local due = tonumber(record.not_before or 0)
    if now < due then -- a second queue entry must not start the next round early
      redis.call('ZADD', LEASES .. queue, 'XX', due, id)
      return { verdict = 'early', id = id }
    end
  elseif state == 'sending' then
    local lease_until = tonumber(record.lease_until)
    local calling = record.calling or ''
    if now >= lease_until and calling ~= '' and record.overdue ~= record.attempts then
      lease_until = now + LAST_CHANCE -- once for each attempt: Redis may have been away, and the caller can still write the outcome
      put(record_key, { lease_until = lease_until, overdue = record.attempts })
    end
    if now < lease_until then
      redis.call('ZADD', LEASES .. queue, 'XX', lease_until, id)
      return { verdict = 'busy', id = id }
    end
    if calling ~= '' then
      -- The worker died during the call, so the outcome is unknown. A code gets one more attempt, with another alias
      -- if possible; any other message stops here.
      if args.apart then
        died = calling
      elseif observe(health_key_of(calling), now, 0, 1, args.breaker) then
        opened = calling
        was_left_out(now, calling, '')
      end
      tally(now, 'counts', { 'calls|worker_died|' .. calling .. '|' .. (record.country or ''), 1 })
      tell_story(now, id, 'call_worker_died', calling, 0, '')
      record.avoid = calling
      redis.call('HSET', record_key, 'avoid', calling, 'calling', '', 'calls', (record.calls or 0) + 1)
      record.unknowns = redis.call('HINCRBY', record_key, 'unknowns', 1)
      local resends = record.resend_unknown == '1'
      if not resends or record.unwanted or record.redirected or record.unknowns > 1 or now >= expires_at then
        return settle('unknown')
      end
    elseif record.unwanted then
      return settle(record.unknowns > 0 and 'unknown' or 'cancelled')
    end
  else
    redis.call('ZREM', LEASES .. queue, id)
    return { verdict = 'done', id = id }
  end

  if (record.withheld or '') ~= '' then
    return settle('cancelled') -- nobody is to get it
  end
  local sealed = redis.call('GET', BODY .. id)
  if now >= expires_at or not sealed then
    -- A message is "expired" only if it was never sent. This one may have been.
    if record.unknowns > 0 then
      return settle('unknown')
    end
    return settle(record.redirected and 'failed' or 'expired') -- redirected: a receipt said why
  end
  put(record_key, { state = 'sending', lease_until = now + LEASE, calling = '', undelivered = '' })
  redis.call('HINCRBY', record_key, 'attempts', 1)
  redis.call('ZADD', LEASES .. queue, now + LEASE, id)
  local chosen = chosen_for(id, record)
  return {
    verdict = 'claimed',
    id = id,
    record = read(record_key),
    left_out = opened,
    died = died,
    sealed = sealed,
    remaining = expires_at - now,
    chosen = chosen,
  }
end

-- Claim the earliest due message of a queue, if there is one. Messages that no worker could open come last.
local function claim_due(queue)
  local unopened
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES .. queue, '-inf', now, 'LIMIT', 0, MANY)) do
    if redis.call('HGET', RECORD .. id, 'error') == 'unsealable' then
      unopened = unopened or id
    else
      local answer = claim(id)
      if answer.record then
        return answer
      elseif answer.verdict == 'gone' then
        redis.call('ZREM', LEASES .. queue, id)
        redis.call('ZREM', WAITING .. queue, id)
      end
    end
  end
  local answer = unopened and claim(unopened)
  return answer and answer.record and answer or nil
end

local function claim_any()
  local first = args.queues[1]
  local mine = { verdict = 'idle' }
  if args.id ~= '' then
    -- Codes go first, even before the message whose entry woke this worker.
    local codes = first and redis.call('HGET', RECORD .. args.id, 'queue') ~= first and claim_due(first)
    if codes then
      return codes
    end
    mine = claim(args.id)
    if mine.record or mine.verdict == 'gone' then
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
end

return cjson.encode(claim_any())
