-- Count a verification: the code of a send was typed. It counts in the scopes and windows of the send, and its phone is
-- known for a fortnight.
-- text: as guard_send returned it
--
-- The includes are inside the function, as in guard.lua: with these at the top, a check took 5 % longer.
local function guard_verified(now, text)
  -- luacheck: ignore 432
  --- @include "counts"
  --- @include "fan"
  --- @include "in_windows"
  local sent, country, keys, phone, address = read_send(text)
  if not sent then
    return
  end
  if address then
    local fan = GUARD_FAN .. address
    write_fan(fan, (read_fan(redis.call('GET', fan), now, country)))
  end
  if phone then
    redis.call('SET', GUARD_KNOWN .. phone, string.format('%d 0', now), 'PX', LENGTH[FORTNIGHT])
  end
  add_in_windows(now, keys, sent, VERIFIED, 1)
end
