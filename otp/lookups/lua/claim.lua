-- What is known of a number, and whether the vendors may be asked for the rest, which costs money.
-- ARGV: args (JSON): may_ask, and lookups, each with its alias, answers (keys, of its questions), per_day
-- Returns JSON: lookups, each with known (answers in the order of the questions, false for none), outcome:
--   ask        counted; the vendor is to be asked
--   cached     all is known; the vendor would have been asked otherwise
--   left_out   its last calls failed
--   per_day    as many as may be asked on a day were (first: by this call)
--   silent     nobody may be asked
--- @include "clock"
--- @include "tally"
local DAY = 86400000 -- ms
local args = cjson.decode(ARGV[1])
local now = clock()

-- After a row of failures one call in LEFT_OUT ms is let through, to see whether the vendor is back.
local function is_left_out(alias, probes)
  if tonumber(redis.call('GET', LOOKUP_FAILURES .. alias) or 0) < FEWEST_FAILURES then
    return false
  end
  local mark = LOOKUP_LEFT_OUT .. alias
  if probes then
    return not redis.call('SET', mark, 1, 'NX', 'PX', LEFT_OUT)
  end
  return redis.call('EXISTS', mark) == 1
end

-- Returns the outcome, and whether this call is the first one that the day has no room for.
local function outcome_of(lookup, missing)
  if not args.may_ask then
    return 'silent'
  end
  if is_left_out(lookup.alias, missing > 0) then
    return 'left_out'
  end
  local key = LOOKUP_ASKED .. lookup.alias .. ':' .. math.floor(now / DAY)
  local asked = tonumber(redis.call('GET', key) or 0)
  local full = asked + math.max(missing, 1) > lookup.per_day
  if missing > 0 and asked <= lookup.per_day then
    redis.call('INCRBY', key, full and lookup.per_day + 1 - asked or missing)
    redis.call('PEXPIRE', key, DAY)
  end
  if full then
    return 'per_day', missing > 0 and asked <= lookup.per_day
  end
  return missing > 0 and 'ask' or 'cached'
end

local found, counts = {}, {}
for i, lookup in ipairs(args.lookups) do
  local known, missing = {}, 0
  for j, key in ipairs(lookup.answers) do
    known[j] = redis.call('GET', key)
    missing = missing + (known[j] and 0 or 1)
  end
  local outcome, first = outcome_of(lookup, missing)
  found[i] = { known = known, outcome = outcome, first = first }
  if outcome ~= 'ask' and outcome ~= 'silent' then
    counts[#counts + 1] = 'lookups|' .. outcome .. '|' .. lookup.alias
    counts[#counts + 1] = 1
  end
end
tally(now, 'counts', counts)
return cjson.encode({ lookups = found })
