-- Read the counts of some scopes, for `manage.py guard` and the dashboard.
-- KEYS: the scopes' keys
-- ARGV: args (JSON): figures (otp.guard.settings.Figures)
-- Returns JSON: {scopes}, a list of
--   key, kind
--   refused                how often in the last day
--   over                   the first window over its cap: hour, day or fortnight; absent if none is
--   hour, day, fortnight   each {sends, verified, unverified, cap}
--- @include "clock"
--- @include "caps"
--- @include "caps_of"
local scope_keys = KEYS
local figures = cjson.decode(ARGV[1]).figures
local now = clock()

local rows = {}
for _, key in ipairs(scope_keys) do
  local text = redis.call('GET', key)
  if text then
    local counts = read_counts(text, now)
    local caps = caps_of(counts[KIND], figures)
    local unverified, earned = standing(counts, now, figures.ratio)
    local row = {
      key = key,
      kind = counts[KIND],
      over = first_over(counts, now, figures.ratio, caps),
      refused = refused_of(counts, now),
    }
    for i, window in ipairs(CAPPED) do
      local sends, verified = count_within(counts, window, now)
      row[NAMES[i]] =
        { sends = sends, verified = verified, unverified = unverified[i], cap = earned[i] + caps[i] }
    end
    rows[#rows + 1] = row
  end
end
return #rows > 0 and cjson.encode({ scopes = rows }) or '{"scopes": []}'
