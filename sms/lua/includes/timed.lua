-- How long something took, as histograms whose bounds are powers of two.
--- @include "tally"
local LAST_BOUND = 20 -- 2^20 ms are 17 minutes; what took longer has the next place

-- name and label: of what took so many ms. The field's last part is the power whose bound it keeps, or "sum".
local function timed(now, name, label, ms)
  local power, bound = 0, 1
  while ms > bound and power <= LAST_BOUND do
    power, bound = power + 1, bound * 2
  end
  local of = name .. '|' .. label .. '|'
  tally(now, 'times', { of .. power, 1, of .. 'sum', math.max(math.floor(ms), 0) })
end
