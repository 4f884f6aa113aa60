-- Whether one more send may go, and that it went.

-- What a number counts for, from the widest scope to the narrowest; a short one for its country alone.
local function scopes_of(ask)
  local scopes = { { kind = NEW, name = 'new' }, { kind = COUNTRY, name = ask.country } }
  if ask.coarse then
    scopes[#scopes + 1] = { kind = COARSE, name = ask.coarse }
    scopes[#scopes + 1] = { kind = FINE, name = ask.fine }
  end
  return scopes
end

-- Everything that is looked at on the way, in one call.
local function fetch_all(ask, scopes)
  local keys = { GUARD_SPEND }
  for _, scope in ipairs(scopes) do
    keys[#keys + 1] = GUARD .. scope.name
  end
  for _, digest in ipairs(ask.phones) do
    keys[#keys + 1] = GUARD_KNOWN .. digest
  end
  if ask.address ~= '' then
    keys[#keys + 1] = GUARD .. 'ip:' .. ask.address
    keys[#keys + 1] = GUARD_FAN .. ask.address
  end
  fetch(keys)
end

-- From the narrowest scope to the widest. One that is over its cap stops what lies in it, except for a narrower scope
-- that has verified codes and keeps to a strict cap: under an attack on a country, the ranges in which its people are
-- known go on. A country need not have verified any, or none could begin while all new ones together are over their cap.
local function scopes_refuse(now, ask, scopes)
  local figures = ask.figures
  local strict = { figures.strict, figures.strict, 2 * figures.strict }
  local caps =
    { [NEW] = figures.new, [COUNTRY] = figures.country, [COARSE] = figures.coarse, [FINE] = figures.fine }
  local good, proven = false, false
  for place = #scopes, 1, -1 do
    local kind, name = scopes[place].kind, scopes[place].name
    if kind == NEW and proven then
      return nil -- it is of all countries that have nothing to show
    end
    local counts = read_counts(GUARD .. name, now, kind)
    local verified = verified_within(counts.fortnight, now)
    local standings = standing(counts, now, figures.ratio)
    local window, wait = first_over(standings, now, caps[kind])
    if window and not good then
      return { reason = window .. ' ' .. name, wait = wait }
    end
    good = good or (kind == COUNTRY or verified >= 1) and not first_over(standings, now, strict)
    proven = kind == COUNTRY and verified >= figures.proven
  end
end

local function refuses(now, ask)
  local scopes = scopes_of(ask)
  fetch_all(ask, scopes)
  local refusal = budget_refuses(now, ask)
  if refusal then
    return refusal
  end
  local word, scope, left = find_rule(now, ask)
  if word == 'block' then
    return { reason = 'blocked ' .. scope, wait = left }
  end
  refusal = address_refuses(now, ask)
  if not refusal then
    -- Strangers can bring a range over its caps: who proved his phone goes on. All of it is looked at for every phone,
    -- so that the time tells none apart.
    refusal = scopes_refuse(now, ask, scopes)
    local _, _, sends = read_known(now, ask.phones)
    refusal = not (sends and sends < ask.figures.known) and refusal or nil
  end
  if refusal and (word == 'allow' or ask.allowed) then
    return { reason = 'allowed-' .. refusal.reason, wait = refusal.wait, allowed = true }
  end
  return refusal
end

local function enforces(ask, refusal)
  return ask.mode == 'enforce' and not refusal.allowed
end

local function note_refusal(now, refusal)
  if not refusal.allowed then
    local key = GUARD .. string.match(refusal.reason, ' (.+)$')
    local counts = read_counts(key, now, RULED)
    counts.refused = counts.refused + 1
    write_counts(key, now, counts)
  end
end

-- Count one send, and tell count_verified of verified.lua where: "<ms> <price> <country> <scope> ...", "" for what
-- does not count. That takes the same steps, as who asks must not see by the time that no SMS goes out.
local function count_send(now, ask)
  if ask.price > 0 then
    pay(now, ask.counts * ask.price)
  end
  local told = { string.format('%d %d', now, ask.price), ask.country }
  local country = read_counts(GUARD .. ask.country, now, COUNTRY)
  local proven = verified_within(country.fortnight, now) >= ask.figures.proven
  for _, scope in ipairs(scopes_of(ask)) do
    if scope.kind ~= NEW or not proven then
      add_send(GUARD .. scope.name, now, scope.kind, ask.counts)
      told[#told + 1] = scope.name
    end
  end
  if ask.address ~= '' then
    add_address(now, ask)
    told[#told + 1] = 'ip:' .. ask.address
  end
  local known, at, sends = read_known(now, ask.phones)
  if known then
    write_known(known, now, at, sends + ask.counts)
  end
  told[#told + 1] = 'phone:' .. ask.phones[1]
  return ask.counts == 1 and table.concat(told, ' ') or ''
end
