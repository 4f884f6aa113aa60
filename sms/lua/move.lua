-- Write down what came of an attempt, if the message may go there from where it is.
-- ARGV: args (JSON): id, target, from (a set of the states that may become it), attempt that must still be
--       the newest (nil = any), retry_in (ms until it is due again; nil = it is settled), why (unknown:
--       nobody knows what came of the attempt; round_over: all aliases have failed; dead_letter: in every
--       round; unopened: this worker lacks its key), calls (how the last one ended) and breaker (see
--       includes/count_calls.lua), kept (ms that dead letters are), fields
-- Returns JSON: moved, record (empty if there is none), changed (see includes/count_calls.lua).
--- @include "clock"
--- @include "record"
--- @include "count_calls"
--- @include "redirect"
local args = cjson.decode(ARGV[1])
local SPARED = 10000 -- ms: one that nobody could open is no backlog until so long after it is due

local now, id, target, wait, why = clock(), args.id, args.target, args.retry_in, args.why
local record_key = RECORD .. id
local record = read(record_key)
local changed, is_newest = count_calls(now, record, args)
-- Written before, but the answer got lost, and since then a receipt has sent the code on to another alias.
local may_be_old = target == 'sent' and record.redirected and args.fields.alias == record.avoid
local is_old = may_be_old and record.calling ~= record.avoid and record.state ~= 'unknown'
if not args.from[record.state] or not is_newest or is_old then
  return cjson.encode({ moved = false, record = record, changed = changed })
end

local function moved()
  return cjson.encode({ moved = true, record = read(record_key), changed = changed })
end

if target == 'queued' and record.unwanted then
  target, wait = 'cancelled', nil
end
record.unknowns = redis.call('HINCRBY', record_key, 'unknowns', why == 'unknown' and 1 or 0)
-- An earlier attempt may have worked, so nobody but a receipt can say that nothing was sent.
if record.unknowns > 0 and (target == 'cancelled' or target == 'failed') then
  target = 'unknown'
end
local undelivered = record.undelivered or ''
if target == 'sent' and undelivered ~= '' and undelivered == record.calling then
  target = 'failed' -- the receipt came before the answer of the call
  if redirect(now, id, record, undelivered) then
    return moved()
  end
end
if why == 'round_over' then
  redis.call('HINCRBY', record_key, 'rounds', 1)
end
if target ~= 'queued' or why == 'round_over' or why == 'unknown' then
  args.fields.turn = '' -- what only waits goes on to wait for the same alias
end

local is_dead = target == 'failed' and why == 'dead_letter'
local is_unopened = target == 'queued' and why == 'unopened'
enter(id, record, target, wait and now + wait, args.fields, is_dead) -- it may be sent again while it lives
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
