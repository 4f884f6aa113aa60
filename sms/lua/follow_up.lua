-- Take the next call that follows one that worked: an alias is to be asked what became of a message, to be told whether
-- its code was typed, or to take it back. Its call begins now and counts towards its rate.
-- ARGV: args (JSON): due (the key of what is due), alias, takes (ms of its rate that the call takes), looks (whether it is
--       asked what became of it), open (only if nobody knows the end of the message)
-- Returns JSON: id and record of the message, converted (whether its code was typed); empty if no call is
-- to be made now.
--- @include "clock"
--- @include "record"
--- @include "may_begin"
local args = cjson.decode(ARGV[1])
local MANY = 100 -- so many are looked at in one call
local GAPS = { 15000, 40000 } -- ms after the first look, which comes 5 s after the call, and after the second
local LATEST = 540000 -- ms after the third look at which the last one comes, if the message lives for longer

local now, due_key, alias = clock(), args.due, args.alias

-- Whether the alias had the message last, and nobody knows its end where that counts. One that is unknown, and has an id,
-- has been told of by a word that nobody knows.
local function is_wanted(record)
  local is_theirs = record.alias == alias and (record.provider_message_id or '') ~= ''
  local is_open = record.state == 'sent' or record.state == 'unknown'
  return is_theirs and (is_open or not args.open)
end

-- When the next look is due (ms), nil if this is the last.
local function next_look(id, record)
  local looks, expires_at = redis.call('HINCRBY', RECORD .. id, 'looks', 1), tonumber(record.expires_at)
  if now >= expires_at or looks > #GAPS + 1 then
    return nil
  end
  return math.min(now + (GAPS[looks] or LATEST), math.max(expires_at, now + 1000))
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', due_key, '-inf', now, 'LIMIT', 0, MANY)) do
  local record = read(RECORD .. id)
  if is_wanted(record) then
    if may_begin(now, alias, args.takes) == 0 then
      break
    end
    take_from_rate(now, alias, args.takes)
    local again = args.looks and next_look(id, record)
    if again then
      redis.call('ZADD', due_key, again, id)
    else
      redis.call('ZREM', due_key, id)
    end
    return cjson.encode({ id = id, record = record, converted = record.converted == '1' })
  end
  redis.call('ZREM', due_key, id)
end
return '{}'
