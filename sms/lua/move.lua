-- Write down what came of an attempt, if the message may go there from where it is.
-- ARGV: args (JSON): id, target, from (a set of the states that may become it), attempt that must still be the newest
--       (nil = any), retry_in (ms until it is due again; nil = it is settled), why (unknown: nobody knows what came of the
--       attempt; round_over: all aliases have failed; dead_letter: in every round; unopened: this worker lacks its key),
--       calls (how they ended: see includes/report.lua), breaker, kept (ms that dead letters are), fields
-- Returns JSON: moved, record (empty if there is none), changed (see includes/report.lua).
--- @include "clock"
--- @include "record"
--- @include "report"
--- @include "enter"
local args = cjson.decode(ARGV[1])
local SPARED = 10000 -- ms beyond its wait for which one that nobody could open is no backlog: a sweep may be late

local now, id, target, wait, why = clock(), args.id, args.target, args.retry_in, args.why
local record_key, body_key = RECORD .. id, BODY .. id
local record = read(record_key)
local is_newest = not args.attempt or args.attempt == tonumber(record.attempts)
if not args.from[record.state] or not is_newest then
  return cjson.encode({ moved = false, record = record, changed = {} })
end

local function dead_letter()
  redis.call('ZADD', DEAD, now, id)
  redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', now - args.kept)
  redis.call('PEXPIRE', DEAD, args.kept)
end

local changed = report(now, args.calls, args.breaker) -- an outcome that is written twice counts once
local function moved()
  return cjson.encode({ moved = true, record = read(record_key), changed = changed })
end

no_dead_letter(id, record)
if target == 'queued' and record.unwanted then
  target, wait = 'cancelled', nil
end
local unknowns = redis.call('HINCRBY', record_key, 'unknowns', why == 'unknown' and 1 or 0)
-- An earlier attempt may have worked, so nobody but a receipt can say that nothing was sent.
if unknowns > 0 and (target == 'cancelled' or target == 'failed') then
  target = 'unknown'
end
local undelivered = record.undelivered or ''
if target == 'sent' and undelivered ~= '' and undelivered == record.calling then
  target = 'failed' -- the receipt came before the answer of the call
  if redirect(now, id, record, unknowns, undelivered) then
    return moved()
  end
end
if why == 'round_over' then
  redis.call('HINCRBY', record_key, 'rounds', 1)
end
if target ~= 'queued' or why == 'round_over' or why == 'unknown' then
  args.fields.turn = '' -- what only waits keeps the turn that it waits for
end

enter(now, id, record, target, wait, args.fields)
if target == 'queued' and why == 'unopened' then
  -- No provider was asked. The number of the attempt may be used again, as this worker is done with it.
  redis.call('HINCRBY', record_key, 'attempts', -1)
  leave_line(record_key, id)
  redis.call('ZADD', WAITING .. record.queue, now + wait + SPARED, id)
  dead_letter()
elseif target == 'failed' and why == 'dead_letter' then
  dead_letter() -- what may still be sent keeps its sealed text until it expires
elseif not wait and not (target == 'sent' and record.resend_unknown == '1' and not record.unwanted) then
  redis.call('DEL', body_key) -- a code keeps its own while it lives, in case it is undelivered
end
return moved()
