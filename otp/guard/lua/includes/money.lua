-- Return the millionths spent today (UTC). text: the value of GUARD_SPEND, false if there is none
local function spent_today(text, now)
  local day, spent = string.match(text or '', '^(%d+) (%d+)$')
  return tonumber(day) == math.floor(now / LENGTH[DAY]) and tonumber(spent) or 0
end
