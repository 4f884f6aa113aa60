-- Record the outcome of an attempt, if the message's state allows it.
-- ARGV: args (JSON):
--   id
--   target           the new state
--   from             set of the states that may become it
--   attempt          that must still be the newest; nil: any
--   retry_in         ms until the message is due again; nil: it is settled
--   why              unknown: the outcome of the attempt is not known
--                    round_over: every alias has failed
--                    dead_letter: every alias has failed in every round
--                    unopened: this worker lacks the key of the text
--   calls, breaker, apart   how the last call ended, see includes/count_calls.lua
--   kept             ms to keep dead letters
--   fields           of the record
-- If it was sent, also:
--   theirs           key by which the vendor's receipts are matched; nil: they name our id
--   polls            true: ask the vendor what became of it
--   feedback         true: tell the vendor whether the code was typed
--   revokes          true: the vendor can take back an unread message
-- Returns JSON: moved, record (empty if there is none), changed and counted (see includes/count_calls.lua), early (a
-- receipt that overtook this), left (the alias for which it waited and does not wait any more)
--- @include "clock"
--- @include "record"
--- @include "count_calls"
--- @include "learn_conversion"
--- @include "redirect"
--- @include "timed"
--- @include "note_revoke"
local args = cjson.decode(ARGV[1])
local FIRST_LOOK = 5000 -- ms after the call; see follow_up.lua
local SPARED = 10000 -- ms after it is due during which a message that nobody could open is not counted as backlog

local now, id, target, wait, why = clock(), args.id, args.target, args.retry_in, args.why
local record_key = RECORD .. id
local record = read(record_key)
local changed, is_newest, counted = count_calls(now, record, args)
-- The outcome was written before, but the answer was lost. Since then a receipt has sent the code on to another alias.
local may_be_old = target == 'sent' and record.redirected and args.fields.alias == record.avoid
local is_old = may_be_old and record.calling ~= record.avoid and record.state ~= 'unknown'
if not args.from[record.state] or not is_newest or is_old then
  return cjson.encode({
    moved = false,
    record = record,
    changed = changed,
    counted = counted,
    early = record.early,
  })
end

if target == 'sent' or target == 'failed' then
  learn_conversion(record, 'sent', args.fields.alias or '', now) -- a message that ended without a call has no alias
end
if target == 'sent' and record.converted then
  learn_conversion(record, 'typed', args.fields.alias, now)
end

local early -- a receipt that overtook this
local function moved()
  return cjson.encode({
    moved = true,
    record = read(record_key),
    changed = changed,
    counted = counted,
    early = early,
    left = args.fields.turn == '' and record.turn or nil,
  })
end

if target == 'queued' and record.unwanted then
  target, wait = 'cancelled', nil
end
record.unknowns = redis.call('HINCRBY', record_key, 'unknowns', why == 'unknown' and 1 or 0)
-- An earlier attempt may have worked. Then only a receipt can tell that nothing was sent.
if record.unknowns > 0 and (target == 'cancelled' or target == 'failed') then
  target = 'unknown'
end
local undelivered = record.undelivered or ''
if target == 'sent' and undelivered ~= '' and undelivered == record.calling then
  target, args.fields.fault = 'failed', 'undelivered' -- the receipt overtook the answer of the call
  if redirect(now, id, record, undelivered) then
    return moved()
  end
end
if why == 'round_over' then
  redis.call('HINCRBY', record_key, 'rounds', 1)
end
if target ~= 'queued' or why == 'round_over' or why == 'unknown' then
  args.fields.turn = '' -- a message that only waits keeps its turn with the alias
end

if target == 'sent' then
  args.fields.sent_at = now
  timed(now, 'to_sent', record.queue, now - record.created_at)
end
local is_dead = target == 'failed' and why == 'dead_letter'
local is_unopened = target == 'queued' and why == 'unopened'
enter(now, id, record, target, wait and now + wait, args.fields, is_dead) -- a dead letter keeps its text for a replay
if target == 'sent' then
  if args.theirs then
    early = redis.call('GET', args.theirs) or nil
    if early then
      redis.call('HSET', record_key, 'early', early) -- for a retry, as this answer may be lost
    end
    redis.call('SET', args.theirs, id, 'PX', args.kept)
  end
  if args.polls then
    local polls_key = POLLS .. args.fields.alias
    redis.call('HSET', record_key, 'looks', 0)
    redis.call('ZADD', polls_key, now + FIRST_LOOK, id)
    redis.call('PEXPIRE', polls_key, args.kept)
  end
  if args.feedback then
    local feedback_key = FEEDBACK .. args.fields.alias
    redis.call('HSET', record_key, 'feedback', 1)
    redis.call('ZADD', feedback_key, record.converted and now or record.expires_at, id)
    redis.call('PEXPIRE', feedback_key, args.kept)
  end
  if args.revokes then
    redis.call('HSET', record_key, 'revocable', args.fields.alias)
    if record.code_dead then
      note_revoke(now, id, args.fields.alias)
    end
  end
end
if is_unopened then
  leave_line(record_key, id)
  redis.call('ZADD', WAITING .. record.queue, now + wait + SPARED, id)
end
if is_unopened or is_dead then
  redis.call('ZADD', DEAD, now, id)
  redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', now - args.kept)
  redis.call('PEXPIRE', DEAD, args.kept)
end
return moved()
