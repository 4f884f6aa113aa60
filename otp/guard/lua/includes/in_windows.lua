-- What a send has counted in the guard, and how to add to those counts later.
--- @include "counts"

-- text: as guard_send returned it; '' if it did not count
-- Returns when it was counted (ms), its country, the keys of its scopes, and the digests of its phone and address.
-- Nil if it did not count.
local function read_send(text)
  local sent, country, scopes = string.match(text, '^(%d+) %d+ (%S+) (.+)$')
  local keys, phone, address = {}, nil, nil
  for scope in string.gmatch(scopes or '', '%S+') do
    local digest = string.match(scope, '^phone:(.+)$')
    if digest then
      phone = digest
    else
      address = string.match(scope, '^ip:(.+)$') or address
      keys[#keys + 1] = GUARD .. scope
    end
  end
  return sent, country, keys, phone, address
end

-- Tell whether nothing was sent, verified or refused lately.
local function is_blank(counts)
  local sum = counts[REFUSED] + counts[REFUSED_BEFORE]
  for count = FORTNIGHT + SENDS, FORTNIGHT + VERIFIED_BEFORE do
    sum = sum + counts[count]
  end
  return sum == 0
end

-- Add to the counts of the scopes of a send, in the windows of that send.
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
          counts[at] = math.max(counts[at] + by, 0) -- another server may have counted it, see sms.stand_in
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
