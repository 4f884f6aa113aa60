-- What the operator said of a country or a prefix: `manage.py guard --allow`, `--block`.

-- "allow" or "block" of the narrowest scope that has a rule, that scope, ms until it ends.
local function find_rule(now, ask)
  if redis.call('EXISTS', GUARD_RULES) == 0 then
    return nil
  end
  local scopes = { unpack(ask.tags) }
  for digits = #ask.start, 2, -1 do
    scopes[#scopes + 1] = string.sub(ask.start, 1, digits)
  end
  scopes[#scopes + 1] = ask.country
  for i, rule in ipairs(redis.call('HMGET', GUARD_RULES, unpack(scopes))) do
    local word, till = string.match(rule or '', '^(%a+) (%d+)$')
    if word and tonumber(till) > now then
      return word, scopes[i], till - now
    end
  end
end
