-- How the guard stands just now, for /metrics.
-- ARGV: args (JSON): figures (otp.guard.settings.Figures), wide (a list of the scopes that are looked at whether they
--       refused something or not: a refusal is booked on the narrowest scope alone)
-- Returns JSON: spent (on this day, UTC; millionths), over (a list of the kinds of scopes that are over their cap, of the
--         wide ones and of those in GUARD_OVER; of the latter those leave it that refused nothing in a day).
--- @include "clock"
--- @include "caps"
--- @include "caps_of"
--- @include "money"
local args = cjson.decode(ARGV[1])
local figures = args.figures
local now = clock()

local over = {}
local function note_if_over(counts)
  local is_over = first_over(counts, now, figures.ratio, caps_of(counts[KIND], figures))
  over[#over + 1] = is_over and counts[KIND] or nil
  return is_over
end

local is_wide, wide_keys = {}, {}
for i, scope in ipairs(args.wide) do
  is_wide[scope], wide_keys[i] = true, GUARD .. scope
end
for _, text in ipairs(redis.call('MGET', unpack(wide_keys))) do
  if text then
    note_if_over(read_counts(text, now))
  end
end

for _, scope in ipairs(redis.call('ZRANGE', GUARD_OVER, 0, -1)) do
  if not is_wide[scope] then
    local text = redis.call('GET', GUARD .. scope)
    local counts = text and read_counts(text, now)
    local matters = counts and (note_if_over(counts) or refused_of(counts, now) >= 1)
    if not matters then
      redis.call('ZREM', GUARD_OVER, scope)
    end
  end
end
local spent = spent_today(redis.call('GET', GUARD_SPEND), now)
return cjson.encode({ spent = spent, over = #over > 0 and over or nil })
