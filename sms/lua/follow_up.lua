-- Take the next follow-up call to an alias: ask what became of a message, report whether its code was typed, or have
-- the message revoked. The call begins now and counts towards the alias's rate.
-- ARGV: args (JSON):
--   due     key of the messages that are due
--   alias
--   takes   ms of the rate that the call takes
--   looks   true: the call asks what became of the message
--   open    true: only if the end of the message is not known yet
-- Returns JSON: id, record, converted (true if the code was typed); empty if no call can be made now
--- @include "clock"
--- @include "record"
--- @include "may_begin"
local args = cjson.decode(ARGV[1])
local MANY = 100 -- messages looked at in one call
local GAPS = { 15000, 40000 } -- ms after the first look (5 s after the call), and after the second
local LATEST = 540000 -- ms after the third look; the fourth is the last, and comes earlier if the message expires

local now, due_key, alias = clock(), args.due, args.alias

-- Tell whether the alias had the message last and, for `open`, its end is not known.
-- A message is unknown but has a provider's id if the provider reported a word that we do not know.
local function is_wanted(record)
  local is_theirs = record.alias == alias and (record.provider_message_id or '') ~= ''
  local is_open = record.state == 'sent' or record.state == 'unknown'
  return is_theirs and (is_open or not args.open)
end

-- Return when the next look is due (ms); nil if this was the last.
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
