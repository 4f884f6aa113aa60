-- Rules for countries and prefixes, set with `manage.py guard --allow` and `--block`.

-- Return "allow" or "block" by the narrowest scope with a rule, that scope, and ms until the rule ends.
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
