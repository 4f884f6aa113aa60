-- Write down what came of an attempt, if the message may go there from where it is.
-- KEYS: record, body, dead letters
-- ARGV: 1 = args: id, target, from (states that may become it), attempt that must still be the newest (nil = any),
--       retry_in (ms until it is due again; nil = it is settled), unknown (1 if the outcome of the attempt is), calls
--       (how they ended: see includes/report.lua), breaker (see includes/breaker.lua), round_over (of all aliases),
--       dead_letter (it becomes one), kept (ms that dead letters are), fields
-- Returns 1 if it moved, else 0, the record (see includes/shown.lua; empty if there is none), and for each call what
-- report() says.
--- @include "clock"
--- @include "record"
--- @include "report"
--- @include "enter"
--- @include "shown"
local record_key, body_key, dead_key = KEYS[1], KEYS[2], KEYS[3]
local args = cjson.decode(ARGV[1])

local now, id, target, wait = clock(), args.id, args.target, args.retry_in
local record = read(record_key)
if not record.state then
  return { 0, {}, {} }
end

local is_newest = not args.attempt or args.attempt == tonumber(record.attempts)
if not args.from[record.state] or not is_newest then
  return { 0, shown(record_key), {} }
end
local told = {}
for _, call in ipairs(args.calls) do -- an outcome that is written twice counts once
  table.insert(told, report(now, call, args.breaker))
end

no_dead_letter(id, record_key, dead_key, record)
if target == 'queued' and record.unwanted then
  target, wait = 'cancelled', nil
end
local unknowns = redis.call('HINCRBY', record_key, 'unknowns', args.unknown)
-- An earlier attempt may have worked, so nobody but a receipt can say that nothing was sent.
if unknowns > 0 and (target == 'cancelled' or (target == 'failed' and args.attempt)) then
  target = 'unknown'
end
if args.round_over then
  redis.call('HINCRBY', record_key, 'rounds', 1)
end
local undelivered = record.undelivered
if target == 'sent' and (undelivered or '') ~= '' and undelivered == record.calling then
  target = 'failed' -- the receipt came before the answer of the call
  if redirect(now, id, record_key, body_key, record, unknowns, undelivered) then
    return { 1, shown(record_key), told }
  end
end

enter(now, id, record_key, record, target, wait, args.fields)
if target == 'failed' and args.dead_letter then
  -- What may still be sent keeps its sealed text until it expires.
  redis.call('ZADD', dead_key, now, id)
  redis.call('ZREMRANGEBYSCORE', dead_key, '-inf', now - args.kept)
  redis.call('PEXPIRE', dead_key, args.kept)
elseif not wait and not (target == 'sent' and record.resend_unknown == '1' and not record.unwanted) then
  redis.call('DEL', body_key) -- a code keeps its own while it lives, in case it is undelivered
end
return { 1, shown(record_key), told }
