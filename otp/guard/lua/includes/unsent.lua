-- Take back a send that the guard has counted, because the phone's cell refused it or was away.
-- text: as guard_send returned it
-- at: when it was counted (ms)
-- reserved: of the budget (millionths)
--
-- The includes are inside the function, as in verified.lua.
local function guard_unsent(now, text, at, reserved)
  -- luacheck: ignore 432
  --- @include "counts"
  --- @include "fan"
  --- @include "in_windows"
  --- @include "spend"
  if reserved > 0 and math.floor(at / LENGTH[DAY]) == math.floor(now / LENGTH[DAY]) then
    add_spent(now, -reserved)
  end
  local sent, country, keys, phone, address = read_send(text)
  if not sent then
    return
  end
  if address then
    local fan = GUARD_FAN .. address
    local first = redis.call('GET', fan)
    if string.find(' ' .. (first or '') .. ' ', string.format(' %s:%d ', country, at), 1, true) then
      write_fan(fan, (read_fan(first, now, country)))
    end
  end
  if phone then
    local known = GUARD_KNOWN .. phone
    local verified_at, since = string.match(redis.call('GET', known) or '', '^(%d+) (%d+)$')
    if verified_at and tonumber(since) > 0 then
      redis.call('SET', known, string.format('%s %d', verified_at, since - 1), 'KEEPTTL')
    end
  end
  add_in_windows(now, keys, at, SENDS, -1)
end
