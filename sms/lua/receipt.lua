-- Record a receipt, if its alias was asked to send the message and the receipt is news.
-- ARGV: args (JSON):
--   id
--   alias
--   target        state that the receipt reports
--   from          set of the states that may become it
--   breaker       see includes/breaker.lua
--   apart         true: the breaker is in the hub, see judge_receipt.lua
--   fields        of the record
--   about         provider's id in our question, if this answers one; nil: the provider reported by itself
--   unreachable   true: the number cannot be reached by this channel
-- Returns JSON:
--   moved         true if the state has changed
--   record        empty if there is none
--   left_out      true if this opened the alias's breaker in this country
--   matters       true if it matters for that breaker
--   never_asked   true if the alias was not asked to send the message
--- @include "learn_arrival"
--- @include "clock"
--- @include "record"
--- @include "judge_receipt"
--- @include "redirect"
--- @include "story"
--- @include "timed"
local args = cjson.decode(ARGV[1])

local now, id, target, alias = clock(), args.id, args.target, args.alias
local record_key = RECORD .. id
local record = read(record_key)
local state = record.state
if not state then
  return cjson.encode({ record = record })
end

-- The secret of one alias proves nothing about a message that another one sent. `asked` lists every alias that was
-- asked. Workers of the previous version wrote only the latest, and the one that may have the message.
local asked = { record.asked or '', record.alias or '', record.calling or '', record.avoid or '' }
if not string.find(',' .. table.concat(asked, ',') .. ',', ',' .. alias .. ',', 1, true) then
  return cjson.encode({ record = record, never_asked = true })
end

if target == 'failed' and record.revoked == alias then
  target, args.fields.fault = 'cancelled', nil -- as we asked, so nothing failed
end

-- Once heard or read, a message cannot fail: a call that speaks its code also ends at some point.
if target == 'failed' and state == 'delivered' then
  return cjson.encode({ record = record })
end

local word = args.fields.error or args.fields.reported or ''
tally(now, 'counts', { 'receipts|' .. target .. '|' .. alias .. '|' .. (record.country or ''), 1 })
if target == 'failed' and word ~= '' then
  tally(now, 'words', { table.concat({ 'receipt', target, alias, word }, '|'), 1 })
end

-- Tell whether this is about the latest hand-off. A message that one alias could not deliver may be with another by
-- now, and the answer about an earlier hand-off may be slow.
local function is_about_the_last()
  if state == 'sending' then
    return alias == record.calling and not args.about
  end
  return alias == record.alias and (not args.about or args.about == record.provider_message_id)
end

local function is_news()
  if target == 'failed' and state == 'sending' then
    if is_about_the_last() then
      redis.call('HSET', record_key, 'undelivered', alias) -- move.lua decides when the call has answered
    end
    return false
  elseif target == 'failed' then
    return is_about_the_last()
  elseif target == 'sent' then
    return not (record.redirected and alias == record.avoid) -- an earlier report of an alias that could not deliver it
  elseif target == 'unknown' then
    return state == 'sent' and is_about_the_last() -- a word that we do not know ends nothing
  end
  return true -- a user who has the code needs no other, whoever delivered it
end

if not is_news() or not args.from[state] then
  return cjson.encode({ record = record })
end

local country, opened = record.country or '', false
local matters = target == 'delivered' or target == 'failed' and not args.unreachable
if matters and not args.apart then
  opened = judge_receipt(now, alias, country, record.hops, target == 'failed', args.breaker)
end
if target == 'delivered' and record.sent_at and alias == record.alias then -- otherwise it is about an earlier call
  timed(now, 'to_delivered', alias, now - record.sent_at)
  learn_arrival(alias, country, now - record.sent_at)
end
tell_story(now, id, 'receipt_' .. target, alias, 0, word)
if target ~= 'failed' or not redirect(now, id, record, alias) then
  if alias ~= record.alias then
    args.fields.provider_message_id = args.fields.provider_message_id or '' -- not another alias's id
  end
  enter(now, id, record, target, nil, args.fields)
end
return cjson.encode({ moved = true, record = read(record_key), left_out = opened, matters = matters })
