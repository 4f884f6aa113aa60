-- Take back a send that the guard has counted, because the phone's cell has not made it.

-- text: as guard_send returned it
-- at: when it was counted (ms)
-- reserved: of the budget (millionths)
local function guard_unsent(now, text, at, reserved)
  -- luacheck: ignore 432
  --- @include "counts"
  --- @include "fan"
  --- @include "in_windows"
  --- @include "spend"
  if reserved > 0 and math.floor(at / LENGTH[DAY]) == math.floor(now / LENGTH[DAY]) then
    add_spent(now, -reserved)
  end
  local country, scopes = string.match(text, '^%d+ %d+ (%S+) (.+)$')
  if not country then
    return
  end
  local keys = {}
  for scope in string.gmatch(scopes, '%S+') do
    local phone, address = string.match(scope, '^phone:(.+)$'), string.match(scope, '^ip:(.+)$')
    if phone then
      local known = GUARD_KNOWN .. phone
      local verified_at, since = string.match(redis.call('GET', known) or '', '^(%d+) (%d+)$')
      if verified_at and tonumber(since) > 0 then
        redis.call('SET', known, string.format('%s %d', verified_at, since - 1), 'KEEPTTL')
      end
    else
      keys[#keys + 1] = GUARD .. scope
    end
    if address then
      local fan = GUARD_FAN .. address
      local first = redis.call('GET', fan)
      if string.find(' ' .. (first or '') .. ' ', string.format(' %s:%d ', country, at), 1, true) then
        write_fan(fan, (read_fan(first, now, country)))
      end
    end
  end
  add_in_windows(now, keys, at, SENDS, -1)
end
