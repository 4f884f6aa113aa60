-- The pumping guard: how many sends of a country, a prefix, an address stayed unverified, and
-- whether one more may go.
--
--   guard_refuses(now, keys, values)         nil, or {reason and scope, ms to wait, whether it is allowed
--                                            all the same}; writes nothing
--   guard_enforces(values, refusal)          whether a refusal counts, or is only told (shadow, allowed)
--   guard_note(now, refusal)                 counts a refusal, for the eyes of the operator
--   guard_sent(now, keys, values)            counts one send; returns the text from which ...
--   guard_verified(now, text)                ... counts that it was verified
--   guard_unsent(now, text)                  ... or takes it back, as its SMS never was
--
-- keys:   rules, spend, new, country, [coarse prefix, [fine prefix]]
-- values: 1 mode, 2 otp.guard_settings.Figures as JSON, 3 "1" if GUARD_ALLOW names the number, 4 price of
--         all its parts and 5 budget (millionths), 6 digest of the address or "", 7 digests of the phone
--         (under each secret, the newest first), 8 what the send counts: 1, or 0 where no SMS goes out,
--         9 the number without its last six digits, then the tags of its two longer prefixes, the longer
--         one's first
-- A refusal is "<reason> <scope>", the reason one of blocked, budget, countries, hour, day, fortnight; of
-- what an operator allowed "allowed-<reason> <scope>".
--
-- What stands in Redis, all of it with a TTL (GUARD, GUARD_FAN, GUARD_KNOWN and GUARD_SPEND: see otp/names.py):
--   otp:guard:<scope>         string  numbers, see guard_read; <scope> is a country, a +prefix (its last two
--                                     digits as a keyed digest, if it is the fine one), "new"
--                                     (all countries without proof) or "ip:<keyed digest>"
--   otp:guard-fan:<digest>    string  countries of an address that nobody has verified, with times
--   otp:guard-known:<digest>  string  of a phone that verified: ms of when, sends to it since
--   otp:guard-spend           string  day (since the epoch), spent (millionths)
--   otp:guard-rules           hash    scope -> "allow <until ms>" or "block <until ms>"

-- Countries of an address within a day, as {country, ms}, without those older than that.
local function guard_fan(key, now)
  local fan, known = {}, {}
  for country, at in string.gmatch(redis.call('GET', key) or '', '(%w+):(%d+)') do
    if now - at < GUARD_DAY then
      fan[#fan + 1] = {country, tonumber(at)}
      known[country] = true
    end
  end
  return fan, known
end

local function guard_keep_fan(key, fan)
  local texts = {}
  for i, entry in ipairs(fan) do
    texts[i] = entry[1] .. ':' .. entry[2]
  end
  if #texts > 0 then
    redis.call('SET', key, table.concat(texts, ' '), 'PX', GUARD_DAY)
  else
    redis.call('DEL', key)
  end
end

local function guard_scope(key)
  return string.sub(key, #GUARD + 1)
end

local guard_decoded = {} -- by text: most scripts see one
local function guard_figures(values)
  local text = values[2]
  guard_decoded[text] = guard_decoded[text] or cjson.decode(text)
  return guard_decoded[text]
end

-- "allow" or "block" of the narrowest scope that has a rule, that scope, ms until it ends.
local function guard_rule(now, keys, values)
  if redis.call('EXISTS', keys[1]) == 0 then
    return nil
  end
  local scopes = {unpack(values, 10)}
  for digits = #values[9], 2, -1 do
    scopes[#scopes + 1] = string.sub(values[9], 1, digits)
  end
  scopes[#scopes + 1] = guard_scope(keys[4])
  for i, rule in ipairs(redis.call('HMGET', keys[1], unpack(scopes))) do
    local word, till = string.match(rule or '', '^(%a+) (%d+)$')
    if word and tonumber(till) > now then
      return word, scopes[i], till - now
    end
  end
end

local function guard_spent(now, key)
  local day, spent = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
  local today = math.floor(now / GUARD_DAY)
  return today, tonumber(day) == today and tonumber(spent) or 0
end

local function guard_spend(key, today, spent)
  redis.call('SET', key, today .. ' ' .. string.format('%d', spent), 'PX', 2 * GUARD_DAY)
end

-- Behind one address there may be many people, of a VPN of many countries: what they verify counts.
local function guard_address_refuses(now, keys, values)
  local name, figures = 'ip:' .. values[6], guard_figures(values)
  local c = guard_read(GUARD .. name, now, GUARD_ADDRESS)
  local _, verified = guard_count(c, 3, now)
  local fan, known = guard_fan(GUARD_FAN .. values[6], now)
  if not known[guard_scope(keys[4])] and #fan >= figures.countries + verified then
    return {'countries ' .. name, fan[1][2] + GUARD_DAY - now}
  end
  local window, wait = guard_over(c, now, guard_standing(c, now, figures.ratio), figures.address)
  return window and {window .. ' ' .. name, wait}
end

-- From the narrowest scope to the widest. One that is over its cap stops what lies in it, except
-- for a narrower scope that has verified codes and keeps to a strict cap: under an attack on a
-- country, the ranges in which its people are known go on. A country need not have verified any,
-- or none could begin while all new ones together are over their cap.
local function guard_scopes_refuse(now, keys, values)
  local figures = guard_figures(values)
  local strict = {figures.strict, figures.strict, 2 * figures.strict}
  local caps = {figures.new, figures.country, figures.coarse, figures.fine}
  local good, proven = false, false
  for i = #keys, 3, -1 do
    local c = guard_read(keys[i], now, i - 2)
    local _, verified = guard_count(c, 4, now)
    if i > 3 or not proven then -- the third is of all countries that have nothing to show
      local standing = guard_standing(c, now, figures.ratio)
      local window, wait = guard_over(c, now, standing, caps[i - 2])
      if window and not good then
        return {window .. ' ' .. guard_scope(keys[i]), wait}
      end
      good = good or (i == 4 or verified >= 1) and not guard_over(c, now, standing, strict)
    end
    proven = i == 4 and verified >= figures.proven
  end
  return nil
end

-- Of a phone that verified within a fortnight: its key, ms of when, sends to it since then.
local function guard_known(now, digests)
  for digest in string.gmatch(digests, '%S+') do
    local key = GUARD_KNOWN .. digest
    local at, sends = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
    if at and now - at < GUARD_WINDOWS[4] then
      return key, tonumber(at), tonumber(sends)
    end
  end
end

local function guard_keep_known(key, now, at, sends)
  redis.call('SET', key, string.format('%d %d', at, sends), 'PX', math.max(at + GUARD_WINDOWS[4] - now, 1000))
end

local function guard_refuses(now, keys, values)
  if values[1] == 'off' then
    return nil
  end
  local budget = tonumber(values[5])
  if budget > 0 then
    local today, spent = guard_spent(now, keys[2])
    if spent + values[4] > budget then
      return {'budget all', (today + 1) * GUARD_DAY - now}
    end
  end
  local word, scope, left = guard_rule(now, keys, values)
  if word == 'block' then
    return {'blocked ' .. scope, left}
  end
  local refusal = values[6] ~= '' and guard_address_refuses(now, keys, values)
  if not refusal then
    -- Strangers can bring a range over its caps: who proved his phone goes on. All of it is looked at
    -- for every phone, so that the time tells none apart.
    refusal = guard_scopes_refuse(now, keys, values)
    local _, _, sends = guard_known(now, values[7])
    refusal = not (sends and sends < guard_figures(values).known) and refusal or nil
  end
  if refusal and (word == 'allow' or values[3] == '1') then
    return {'allowed-' .. refusal[1], refusal[2], true}
  end
  return refusal
end

local function guard_enforces(values, refusal)
  return values[1] == 'enforce' and not refusal[3]
end

local function guard_note(now, refusal)
  if not refusal[3] then
    local key = GUARD .. string.match(refusal[1], ' (.+)$')
    local c = guard_read(key, now, GUARD_RULED)
    c[2] = c[2] + 1
    guard_write(key, now, c)
  end
end

local function guard_add_send(key, now, kind, much)
  local c = guard_read(key, now, kind)
  c[1] = kind -- a refusal may have been noted before the first send
  for at = 5, 20, 5 do
    c[at] = c[at] + much
  end
  guard_write(key, now, c)
end

-- The text is "<ms> <price> <country> <scope> ...", "" for what does not count. That takes the same steps,
-- as who asks must not see by the time that no SMS goes out.
local function guard_sent(now, keys, values)
  if values[1] == 'off' then
    return ''
  end
  local counts = tonumber(values[8])
  if values[4] ~= '0' then
    local today, spent = guard_spent(now, keys[2])
    guard_spend(keys[2], today, spent + counts * values[4])
  end
  local _, verified = guard_count(guard_read(keys[4], now, GUARD_COUNTRY), 4, now)
  local country = guard_scope(keys[4])
  local told = {string.format('%d', now), values[4], country}
  for i = verified >= guard_figures(values).proven and 4 or 3, #keys do
    guard_add_send(keys[i], now, i - 2, counts)
    told[#told + 1] = guard_scope(keys[i])
  end
  if values[6] ~= '' then
    local name, key = 'ip:' .. values[6], GUARD_FAN .. values[6]
    guard_add_send(GUARD .. name, now, GUARD_ADDRESS, counts)
    told[#told + 1] = name
    local fan, known = guard_fan(key, now)
    if counts == 1 and not known[country] then
      fan[#fan + 1] = {country, string.format('%d', now)}
    end
    guard_keep_fan(key, fan)
  end
  local known, at, sends = guard_known(now, values[7])
  if known then
    guard_keep_known(known, now, at, sends + counts)
  end
  told[#told + 1] = 'phone:' .. string.match(values[7], '%S+')
  return counts == 1 and table.concat(told, ' ') or ''
end

-- What became of a send, in the windows in which it counted: at 0 of the sends, at 1 of the verified.
local function guard_add(key, now, sent, which, much)
  local c = guard_read(key, now, 0)
  if c[1] > 0 then -- otherwise nobody remembers the send
    for w = 1, 4 do
      local at = 5 * w - 1
      local ago = c[at] - math.floor(sent / GUARD_WINDOWS[w])
      if ago == 0 or ago == 1 then
        local place = at + 1 + which + 2 * ago
        c[place] = math.max(c[place] + much, 0)
      end
    end
    if guard_empty(c) then
      redis.call('DEL', key)
    else
      guard_write(key, now, c)
    end
  end
end

local GUARD_TEXT = '^(%d+) (%d+) (%S+) (.+)$'

local function guard_verified(now, text)
  local sent, _, country, scopes = string.match(text or '', GUARD_TEXT)
  if not sent then
    return -- the guard was off when it was sent
  end
  for scope in string.gmatch(scopes, '%S+') do
    guard_add(GUARD .. scope, now, sent, 1, 1)
    if string.sub(scope, 1, 6) == 'phone:' then
      guard_keep_known(GUARD_KNOWN .. string.sub(scope, 7), now, now, 0)
    end
    if string.sub(scope, 1, 3) == 'ip:' then
      local key, kept = GUARD_FAN .. string.sub(scope, 4), {}
      for _, entry in ipairs((guard_fan(key, now))) do
        if entry[1] ~= country then
          kept[#kept + 1] = entry
        end
      end
      guard_keep_fan(key, kept)
    end
  end
end

local function guard_unsent(now, text)
  local sent, price, _, scopes = string.match(text or '', GUARD_TEXT)
  if not sent then
    return
  end
  local today, spent = guard_spent(now, GUARD_SPEND)
  if price ~= '0' and math.floor(sent / GUARD_DAY) == today then
    guard_spend(GUARD_SPEND, today, math.max(spent - price, 0))
  end
  for scope in string.gmatch(scopes, '%S+') do
    guard_add(GUARD .. scope, now, sent, 0, -1)
    if string.sub(scope, 1, 3) == 'ip:' and redis.call('EXISTS', GUARD .. scope) == 0 then
      redis.call('DEL', GUARD_FAN .. string.sub(scope, 4)) -- nothing was sent for this address
    end
    local key, at, sends = guard_known(now, string.match(scope, '^phone:(.+)') or '')
    if key then
      guard_keep_known(key, now, at, math.max(sends - 1, 0))
    end
  end
end
