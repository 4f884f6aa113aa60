-- luacheck: ignore 211 (some of these scripts need a part of it)
-- The counts of one scope, in windows that slide: a list of whole numbers, which stands in Redis with commas between.
-- First its kind, and how often it was refused this day and the day before. Then for each window its index (how many of
-- its length since the epoch), sends and verified of it, and those of the window before.
-- A verification counts where its send counted, so sends less verified is what stayed unverified, whenever it is asked.
local KIND, REFUSED, REFUSED_BEFORE = 1, 2, 3
local YOUNG, HOUR, DAY, FORTNIGHT = 4, 9, 14, 19 -- where a window has its index, and so many places after that:
local SENDS, VERIFIED, SENDS_BEFORE, VERIFIED_BEFORE, NEXT = 1, 2, 3, 4, 5
local LENGTH = { [YOUNG] = 300000, [HOUR] = 3600000, [DAY] = 86400000, [FORTNIGHT] = 14 * 86400000 } -- ms

-- Kinds of scopes. RULED: known by a rule of the operator alone.
local NEW, COUNTRY, COARSE, FINE, ADDRESS, RULED = 1, 2, 3, 4, 5, 6

local AS_TEXT = '%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d'

-- The counts as they are now: windows that are over have ended. A clock that was set back changes nothing.
-- text: false where nobody knows the scope; it has the given kind then.
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
  counts[KIND] = kind -- a refusal may have been noted before the first send
  for window = YOUNG, FORTNIGHT, NEXT do
    counts[window + SENDS] = counts[window + SENDS] + sends
  end
end

-- They live as long as one of their windows could still count.
local function write_counts(key, now, counts)
  local longest = counts[KIND] >= ADDRESS and DAY or FORTNIGHT
  local lasts = (counts[longest] + 2) * LENGTH[longest] - now
  redis.call('SET', key, string.format(AS_TEXT, unpack(counts)), 'PX', lasts)
end
