-- luacheck: ignore 211 (some of these scripts need a part of it)
-- The counts of one scope in sliding windows. Redis keeps them as whole numbers with commas between. First come the kind
-- of scope, the refusals of this day, and those of the day before. Each window follows with five numbers: its index (time
-- since the epoch divided by its length), its sends and verified, and those of the window before.
-- A verification is added to the window of its send, so sends minus verified is always what stayed unverified.
local KIND, REFUSED, REFUSED_BEFORE = 1, 2, 3
local YOUNG, HOUR, DAY, FORTNIGHT = 4, 9, 14, 19 -- position of each window's index; its counts follow at these offsets:
local SENDS, VERIFIED, SENDS_BEFORE, VERIFIED_BEFORE, NEXT = 1, 2, 3, 4, 5
local LENGTH = { [YOUNG] = 300000, [HOUR] = 3600000, [DAY] = 86400000, [FORTNIGHT] = 14 * 86400000 } -- ms

-- Kinds of scopes. RULED: a scope that exists only through an operator's rule, or "all", that of the budget.
local NEW, COUNTRY, COARSE, FINE, ADDRESS, RULED = 1, 2, 3, 4, 5, 6

local AS_TEXT = '%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d'

-- Parse counts and move windows on that have ended. A clock that was set back changes nothing.
-- text: false if there are no counts yet
-- kind: for that case
local function read_counts(text, now, kind)
  -- stylua: ignore
  local counts = text and cjson.decode('[' .. text .. ']')
    or { kind, 0, 0,  0, 0, 0, 0, 0,  0, 0, 0, 0, 0,  0, 0, 0, 0, 0,  0, 0, 0, 0, 0 }
  for window = YOUNG, FORTNIGHT, NEXT do
    local later = math.floor(now / LENGTH[window]) - counts[window]
    if later > 0 then
      local sends, verified = counts[window + SENDS], counts[window + VERIFIED]
      counts[window + SENDS_BEFORE] = later == 1 and sends or 0
      counts[window + VERIFIED_BEFORE] = later == 1 and verified or 0
      counts[window], counts[window + SENDS], counts[window + VERIFIED] = counts[window] + later, 0, 0
      if window == DAY then
        counts[REFUSED], counts[REFUSED_BEFORE] = 0, later == 1 and counts[REFUSED] or 0
      end
    end
  end
  return counts
end

local function add_sends(counts, kind, sends)
  counts[KIND] = kind -- a refusal may have come before the first send
  for window = YOUNG, FORTNIGHT, NEXT do
    counts[window + SENDS] = counts[window + SENDS] + sends
  end
end

-- Keep the counts for as long as one of their windows could still count.
local function write_counts(key, now, counts)
  local longest = counts[KIND] >= ADDRESS and DAY or FORTNIGHT
  local lasts = (counts[longest] + 2) * LENGTH[longest] - now
  redis.call('SET', key, string.format(AS_TEXT, unpack(counts)), 'PX', lasts)
end
