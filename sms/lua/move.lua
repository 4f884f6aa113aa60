-- Move a message to another state, if it may go there from where it is.
-- KEYS: record, body
-- ARGV: id, target, states that may become the target (",a,b,"), attempt that must still be the
--       newest ("" = any), ms until the next round ("" = none: the message is settled),
--       1 if the outcome of the attempt is unknown, prefix of the lease keys, field, value, ...
-- Returns 1 if it moved, else 0, and the record as a flat list (empty if there is none).
local record = redis.call('HMGET', KEYS[1], 'state', 'attempts', 'queue', 'unknowns', 'unwanted')
if not record[1] then
  return {0, {}}
end
local allowed = string.find(ARGV[3], ',' .. record[1] .. ',', 1, true)
if not allowed or (ARGV[4] ~= '' and ARGV[4] ~= record[2]) then
  if ARGV[2] == 'cancelled' and record[1] == 'sending' then
    redis.call('HSET', KEYS[1], 'unwanted', 1) -- too late for this attempt, but it is the last
  end
  return {0, redis.call('HGETALL', KEYS[1])}
end
local target, settled = ARGV[2], ARGV[5] == ''
if target == 'queued' and record[5] then
  target, settled = 'cancelled', true
end
local unknowns = redis.call('HINCRBY', KEYS[1], 'unknowns', ARGV[6])
-- An earlier attempt may have worked, so nobody but a receipt can say that nothing was sent.
if unknowns > 0 and (target == 'cancelled' or (target == 'failed' and ARGV[4] ~= '')) then
  target = 'unknown'
end
redis.call('HSET', KEYS[1], 'state', target, unpack(ARGV, 8))
local leases = ARGV[7] .. record[3]
if settled then
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', leases, ARGV[1])
else
  local time = redis.call('TIME')
  local due = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[5])
  redis.call('HSET', KEYS[1], 'not_before', due)
  redis.call('ZADD', leases, due, ARGV[1])
end
return {1, redis.call('HGETALL', KEYS[1])}
