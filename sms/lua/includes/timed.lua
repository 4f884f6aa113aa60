-- Count durations in histograms whose bounds are powers of two.
--- @include "tally"
local LAST_BOUND = 20 -- 2^20 ms, 17 minutes; longer durations go into one more bucket

-- name, label: of what took that long. The last part of the field is the power of its bucket, or "sum".
local function timed(now, name, label, ms)
  local power, bound = 0, 1
  while ms > bound and power <= LAST_BOUND do
    power, bound = power + 1, bound * 2
  end
  local of = name .. '|' .. label .. '|'
  tally(now, 'times', { of .. power, 1, of .. 'sum', math.max(math.floor(ms), 0) })
end
