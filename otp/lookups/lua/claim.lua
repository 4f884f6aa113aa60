-- Read the known answers about a number, and decide which vendors may be asked for the rest, which costs money.
-- ARGV: args (JSON):
--   may_ask   false: ask no vendor
--   lookups   list of {alias, answers (keys, one for each question), per_day (most questions a day)}
-- Returns JSON: {lookups}, each with known (answers in the order of the questions, false if missing), first (true for
-- the first call of the day over per_day) and outcome:
--   ask        counted: ask the vendor
--   cached     everything is known. Had something been missing, the vendor could have been asked.
--   left_out   the vendor's last calls failed
--   per_day    the day's questions are used up
--   silent     may_ask is false
--- @include "clock"
--- @include "tally"
local DAY = 86400000 -- ms
local args = cjson.decode(ARGV[1])
local now = clock()

-- After failures in a row, let one call through every LEFT_OUT ms, to see whether the vendor is back.
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

-- Return the outcome, and whether this is the first call of the day over per_day.
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
