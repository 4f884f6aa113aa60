-- Write down what a receipt says, if its alias was asked for the message and that is news.
-- ARGV: args (JSON): id, alias, target, from (a set of the states that may become it), breaker, fields
-- Returns JSON: moved, record (empty if there is none), left_out (this opened the breaker of its alias in this country),
-- never_asked (its alias was not asked for the message).
--- @include "clock"
--- @include "record"
--- @include "breaker"
--- @include "redirect"
--- @include "left_out"
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

local function is_news()
  if target == 'failed' then
    local whose = state == 'sending' and record.calling or record.alias
    if alias == whose and state == 'sending' then
      redis.call('HSET', record_key, 'undelivered', alias) -- decided when the call has answered
      return false
    end
    return alias == whose -- what one alias could not deliver may be in the hands of another by now
  elseif target == 'sent' then
    return not (record.redirected and alias == record.avoid) -- it could not deliver it, and repeats an earlier word
  end
  return target ~= 'unknown' or state == 'sent' -- a word that nobody knows ends nothing
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
if target == 'failed' or target == 'delivered' then
  local bad = target == 'failed' and 1 or 0
  local stays_closed = bad == 1 and not another_is_well()
  opened = observe(health_key_of(alias, country), now, 1 - bad, bad, args.breaker, stays_closed)
end
if target ~= 'failed' or not redirect(now, id, record, alias) then
  enter(id, record, target, nil, args.fields)
end
return cjson.encode({ moved = true, record = read(record_key), left_out = opened })
