-- What follows when the code of a send was typed.

-- text: as count_send made it; the guard was off where there is none.
local function count_verified(now, text)
  local sent, country, scopes = string.match(text or '', '^(%d+) %d+ (%S+) (.+)$')
  if not sent then
    return
  end
  for scope in string.gmatch(scopes, '%S+') do
    local phone, address = string.match(scope, '^phone:(.+)$'), string.match(scope, '^ip:(.+)$')
    if phone then
      write_known(GUARD_KNOWN .. phone, now, now, 0)
    else
      add_verified(GUARD .. scope, now, sent)
    end
    if address then
      forget_country(address, now, country)
    end
  end
end
