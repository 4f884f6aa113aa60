-- What the guard knows of some scopes, for the eyes of the operator.
-- KEYS: the scopes' keys
-- ARGV: args (JSON): figures (otp.guard.settings.Figures)
-- Returns JSON: {scopes}, a list of {key, kind, refused (in a day), over (the first window over its cap, none: left out),
--         hour, day, fortnight}, each of these {sends, verified, unverified, cap}.
--- @include "clock"
--- @include "texts"
--- @include "counts"
--- @include "caps"
local figures = cjson.decode(ARGV[1]).figures
local now = clock()
local caps_of = {
  [NEW] = figures.new,
  [COUNTRY] = figures.country,
  [COARSE] = figures.coarse,
  [FINE] = figures.fine,
  [ADDRESS] = figures.address,
  [RULED] = { 1, 1, 1 }, -- blocked, and never sent to
}

local function row_of(key, counts)
  local caps, standings = caps_of[counts.kind], standing(counts, now, figures.ratio)
  local row = {
    key = key,
    kind = counts.kind,
    over = first_over(standings, now, caps),
    refused = counts.refused + counts.refused_before * part_before(counts.day, now),
  }
  for i, stands in ipairs(standings) do
    local sends, verified = count_within(stands.window, now)
    row[stands.name] = {
      sends = sends,
      verified = verified,
      unverified = stands.unverified,
      cap = stands.earned + caps[i],
    }
  end
  return row
end

local rows = {}
for _, key in ipairs(KEYS) do
  local counts = read_counts(key, now, 0)
  if counts.kind > 0 then
    rows[#rows + 1] = row_of(key, counts)
  end
end
return #rows > 0 and cjson.encode({ scopes = rows }) or '{"scopes": []}'
