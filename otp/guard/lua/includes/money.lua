-- Millionths that were spent on this day (UTC). text: what stands under GUARD_SPEND; false: nothing
local function spent_today(text, now)
  local day, spent = string.match(text or '', '^(%d+) (%d+)$')
  return tonumber(day) == math.floor(now / LENGTH[DAY]) and tonumber(spent) or 0
end
