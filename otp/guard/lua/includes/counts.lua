-- luacheck: ignore 211 (what an operator asks, in report.lua and rule.lua, needs a part of it)
-- The counts of one scope, in windows that slide.
--
-- counts: kind; refused and refused_before (refusals of this day and of the day before); young, hour, day, fortnight
-- window: length (ms); index (how many of that length since the epoch); sends, verified; sends_before, verified_before
--         (of the window before it)
-- A verification counts where its send counted, so sends less verified is what stayed unverified, whenever it is asked.
local YOUNG, HOUR, DAY, FORTNIGHT = 300000, 3600000, 86400000, 14 * 86400000 -- ms

-- Kinds of scopes. RULED: known by a rule of the operator alone.
local NEW, COUNTRY, COARSE, FINE, ADDRESS, RULED = 1, 2, 3, 4, 5, 6

-- As text the numbers stand in this order, each window's as to_window takes them. It is JSON without brackets, which
-- Redis reads and writes for Lua: looking at all scopes of a start and counting there takes 46 µs instead of 82.
local NOTHING = cjson.decode('[0' .. string.rep(',0', 22) .. ']')

local function to_window(length, index, sends, verified, sends_before, verified_before)
  return {
    length = length,
    index = index,
    sends = sends,
    verified = verified,
    sends_before = sends_before,
    verified_before = verified_before,
  }
end

local function decode_counts(text)
  local numbers = text and cjson.decode('[' .. text .. ']') or NOTHING
  local kind, refused, refused_before = unpack(numbers, 1, 3)
  return {
    kind = kind,
    refused = refused,
    refused_before = refused_before,
    young = to_window(YOUNG, unpack(numbers, 4, 8)),
    hour = to_window(HOUR, unpack(numbers, 9, 13)),
    day = to_window(DAY, unpack(numbers, 14, 18)),
    fortnight = to_window(FORTNIGHT, unpack(numbers, 19, 23)),
  }
end

local function window_text(window)
  local before = string.format(',%d,%d', window.sends_before, window.verified_before)
  return string.format(',%d,%d,%d', window.index, window.sends, window.verified) .. before
end

local function encode_counts(counts)
  return string.format('%d,%d,%d', counts.kind, counts.refused, counts.refused_before)
    .. window_text(counts.young)
    .. window_text(counts.hour)
    .. window_text(counts.day)
    .. window_text(counts.fortnight)
end

-- Let a window end now. Returns how many windows later that is. A clock that was set back changes nothing.
local function slide(window, now)
  local later = math.floor(now / window.length) - window.index
  if later > 0 then
    window.sends_before = later == 1 and window.sends or 0
    window.verified_before = later == 1 and window.verified or 0
    window.index, window.sends, window.verified = window.index + later, 0, 0
  end
  return later
end

local seen_counts = {} -- by key: a start looks at a scope, then counts there

-- The counts under a key, as they are now. A scope that nobody knows yet has the given kind.
local function read_counts(key, now, kind)
  local counts = seen_counts[key]
  if not counts then
    local text = get_text(key)
    counts = decode_counts(text)
    if not text then
      counts.kind = kind
    end
    seen_counts[key] = counts
  end
  slide(counts.young, now)
  slide(counts.hour, now)
  slide(counts.fortnight, now)
  local later = slide(counts.day, now)
  if later > 0 then
    counts.refused_before = later == 1 and counts.refused or 0
    counts.refused = 0
  end
  return counts
end

-- It lives as long as one of its windows could still count.
local function write_counts(key, now, counts)
  local longest = counts.kind >= ADDRESS and counts.day or counts.fortnight
  set_text(key, encode_counts(counts), (longest.index + 2) * longest.length - now)
end

-- The part of the window before that still counts.
local function part_before(window, now)
  return math.max(0, 1 - (now / window.length - window.index))
end

-- Sends and verified of the time that ends now and is as long as the window.
local function count_within(window, now)
  local part = part_before(window, now)
  return window.sends + window.sends_before * part, window.verified + window.verified_before * part
end

local function verified_within(window, now)
  return window.verified + window.verified_before * part_before(window, now)
end

local function add_send(key, now, kind, much)
  local counts = read_counts(key, now, kind)
  counts.kind = kind -- a refusal may have been noted before the first send
  counts.young.sends = counts.young.sends + much
  counts.hour.sends = counts.hour.sends + much
  counts.day.sends = counts.day.sends + much
  counts.fortnight.sends = counts.fortnight.sends + much
  write_counts(key, now, counts)
end

local function verify_in(window, sent)
  local ago = window.index - math.floor(sent / window.length)
  if ago == 0 then
    window.verified = window.verified + 1
  elseif ago == 1 then
    window.verified_before = window.verified_before + 1
  end
end

-- A send was verified: in the windows in which it counted.
local function add_verified(key, now, sent)
  local counts = read_counts(key, now, 0)
  if counts.kind > 0 then -- otherwise nobody remembers the send
    verify_in(counts.young, sent)
    verify_in(counts.hour, sent)
    verify_in(counts.day, sent)
    verify_in(counts.fortnight, sent)
    write_counts(key, now, counts)
  end
end
