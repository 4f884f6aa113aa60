-- Read the guard's present state for /metrics.
-- ARGV: args (JSON):
--   figures   otp.guard.settings.Figures
--   wide      scopes to look at in any case. A refusal is counted at the narrowest scope only, so a wide one may be
--             over its cap and have refused nothing.
-- Returns JSON:
--   spent     today (UTC), in millionths
--   over      kinds of the scopes over their cap, one entry each: of the wide ones, and of those in GUARD_OVER.
-- A scope in GUARD_OVER that is under its cap and refused nothing for a day is removed there.
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
