-- Write down what a receipt says, if its alias was asked for the message and that is news.
-- ARGV: args (JSON): id, alias, target, from (a set of the states that may become it), breaker, fields, about (the
--       vendor's id by which the alias was asked what became of the message; nil: it says so by itself), unreachable (the
--       number has not this channel)
-- Returns JSON: moved, record (empty if there is none), left_out (this opened the breaker of its alias in this country),
-- never_asked (its alias was not asked for the message).
--- @include "learn_arrival"
--- @include "clock"
--- @include "record"
--- @include "breaker"
--- @include "redirect"
--- @include "left_out"
--- @include "story"
--- @include "timed"
--- @include "was_left_out"
local args = cjson.decode(ARGV[1])

local now, id, target, alias = clock(), args.id, args.target, args.alias
local record_key = RECORD .. id
local record = read(record_key)
local state = record.state
if not state then
  return cjson.encode({ record = record })
end

-- Whoever holds the secret of one alias says nothing of what another one sent. 'asked' has all of them;
-- a worker of before wrote the latest alone, and the one that may have it.
local asked = { record.asked or '', record.alias or '', record.calling or '', record.avoid or '' }
if not string.find(',' .. table.concat(asked, ',') .. ',', ',' .. alias .. ',', 1, true) then
  return cjson.encode({ record = record, never_asked = true })
end

if target == 'failed' and record.revoked == alias then
  target, args.fields.fault = 'cancelled', nil -- as we have asked, so nothing has failed
end

-- It has been heard or read, and no failure follows from what comes later: a call that says its code ends as well.
if target == 'failed' and state == 'delivered' then
  return cjson.encode({ record = record })
end

local word = args.fields.error or args.fields.reported or ''
tally(now, 'counts', { 'receipts|' .. target .. '|' .. alias .. '|' .. (record.country or ''), 1 })
if target == 'failed' and word ~= '' then
  tally(now, 'words', { table.concat({ 'receipt', target, alias, word }, '|'), 1 })
end

-- Whether it is about the last hand-off. What one alias could not deliver may be in the hands of another by now, and
-- who is asked about an earlier hand-off may take long to answer.
local function is_about_the_last()
  if state == 'sending' then
    return alias == record.calling and not args.about
  end
  return alias == record.alias and (not args.about or args.about == record.provider_message_id)
end

local function is_news()
  if target == 'failed' and state == 'sending' then
    if is_about_the_last() then
      redis.call('HSET', record_key, 'undelivered', alias) -- decided when the call has answered
    end
    return false
  elseif target == 'failed' then
    return is_about_the_last()
  elseif target == 'sent' then
    return not (record.redirected and alias == record.avoid) -- it could not deliver it, and repeats an earlier word
  elseif target == 'unknown' then
    return state == 'sent' and is_about_the_last() -- a word that nobody knows ends nothing
  end
  return true -- who has the code needs no other, whoever delivered it
end

if not is_news() or not args.from[state] then
  return cjson.encode({ record = record })
end

-- Whether another alias of the route could take over: one that is not left out, nor was and waits for its
-- probe. Whoever may start verifications can name phones that are off; that must not close a country.
local country = record.country or ''
local function another_is_well()
  for name in string.gmatch(record.hops or '', '[^,]+') do
    local shut, open = left_out(health_key_of(name))
    local shut_there, open_there = left_out(health_key_of(name, country))
    if name ~= alias and not open and not open_there and math.max(shut, shut_there) <= now then
      return true
    end
  end
  return false
end

local opened = false
if target == 'delivered' or target == 'failed' and not args.unreachable then
  local bad = target == 'failed' and 1 or 0
  local stays_closed = bad == 1 and not another_is_well()
  opened = observe(health_key_of(alias, country), now, 1 - bad, bad, args.breaker, stays_closed)
end
if opened then
  was_left_out(now, alias, country)
end
if target == 'delivered' and record.sent_at and alias == record.alias then -- else it is about a call of before
  timed(now, 'to_delivered', alias, now - record.sent_at)
  learn_arrival(alias, country, now - record.sent_at)
end
tell_story(now, id, 'receipt_' .. target, alias, 0, word)
if target ~= 'failed' or not redirect(now, id, record, alias) then
  if alias ~= record.alias then
    args.fields.provider_message_id = args.fields.provider_message_id or '' -- that of the other is none of its own
  end
  enter(now, id, record, target, nil, args.fields)
end
return cjson.encode({ moved = true, record = read(record_key), left_out = opened })
