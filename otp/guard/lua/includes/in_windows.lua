-- Add to the counts of the scopes of a send, in the windows of that send.
--- @include "counts"

-- Tell whether nothing was sent, verified or refused lately.
local function is_blank(counts)
  local sum = counts[REFUSED] + counts[REFUSED_BEFORE]
  for count = FORTNIGHT + SENDS, FORTNIGHT + VERIFIED_BEFORE do
    sum = sum + counts[count]
  end
  return sum == 0
end

-- keys: of the scopes
-- sent: when it was counted (ms)
-- figure: SENDS or VERIFIED
-- by: 1 or -1
local function add_in_windows(now, keys, sent, figure, by)
  for i, text in ipairs(redis.call('MGET', unpack(keys))) do
    if text then -- otherwise the counts have expired
      local counts = read_counts(text, now)
      for window = YOUNG, FORTNIGHT, NEXT do
        local ago = counts[window] - math.floor(sent / LENGTH[window])
        local at = window + figure + (ago == 1 and SENDS_BEFORE - SENDS or 0)
        if ago == 0 or ago == 1 then
          counts[at] = counts[at] + by
        end
      end
      if is_blank(counts) then
        redis.call('DEL', keys[i])
      else
        write_counts(keys[i], now, counts)
      end
    end
  end
end
