-- What the guard knows of some scopes, for the eyes of the operator.
-- KEYS: the scopes' keys
-- ARGV: otp.guard_settings.Figures as JSON
-- Returns {now (ms), JSON of a list: [key, kind, sends and verified and unverified and cap of the hour, those
--          of the day, those of the fortnight, refusals of a day, window that is over its cap or ""]}.
--- @include "counts"
--- @include "rules"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local figures, found = cjson.decode(ARGV[1]), {}
local caps = {figures.new, figures.country, figures.coarse, figures.fine, figures.address,
  {1, 1, 1}} -- the last: blocked, and never sent to
for _, key in ipairs(KEYS) do
  local c = guard_read(key, now, 0)
  local kind = c[1]
  if kind > 0 then
    local row, standing = {key, kind}, guard_standing(c, now, figures.ratio)
    for i, pair in ipairs(standing) do
      local sends, verified = guard_count(c, i + 1, now)
      row[#row + 1], row[#row + 2], row[#row + 3] = sends, verified, pair[1]
      row[#row + 1] = pair[2] + caps[kind][i]
    end
    row[#row + 1] = c[2] + c[3] * math.max(0, 1 - (now / GUARD_DAY - c[14]))
    row[#row + 1] = guard_over(c, now, standing, caps[kind]) or ''
    found[#found + 1] = row
  end
end
return {now, #found > 0 and cjson.encode(found) or '[]'}
