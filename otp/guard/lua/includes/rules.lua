-- The pumping guard: how many sends of a country, a prefix, an address stayed unverified, and
-- whether one more may go.
--
--   guard_refuses(now, ask)      nil, or a refusal; writes nothing
--   guard_enforces(ask, refusal) whether a refusal counts, or is only told (shadow, allowed)
--   guard_note(now, refusal)     counts a refusal, for the eyes of the operator
--   guard_sent(now, ask)         counts one send; returns the text from which ...
--   guard_verified(now, text)    ... counts that it was verified
--
-- ask: mode; figures (otp.guard.settings.Figures as JSON); allowed (whether GUARD_ALLOW names the number);
--      price of all its parts, and budget (millionths); address (its digest, or ""); phones (digests under each
--      secret, the newest first); counts (1, or 0 where no SMS goes out); start (the number without its last six
--      digits); tags (of its two longer prefixes, the longer one's first); scopes (new, country, and where it
--      has them coarse and fine prefix)
-- A refusal is {reason, wait (ms), allowed}. Its reason is "<word> <scope>", the word one of blocked, budget,
-- countries, hour, day, fortnight; of what an operator allowed "allowed-<word> <scope>".
--
-- What stands in Redis, all of it with a TTL (GUARD, GUARD_FAN and so on: see otp/names.py):
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

local guard_decoded = {} -- by text: most scripts see one
local function guard_figures(ask)
  local text = ask.figures
  guard_decoded[text] = guard_decoded[text] or cjson.decode(text)
  return guard_decoded[text]
end

-- "allow" or "block" of the narrowest scope that has a rule, that scope, ms until it ends.
local function guard_rule(now, ask)
  if redis.call('EXISTS', GUARD_RULES) == 0 then
    return nil
  end
  local scopes = {unpack(ask.tags)}
  for digits = #ask.start, 2, -1 do
    scopes[#scopes + 1] = string.sub(ask.start, 1, digits)
  end
  scopes[#scopes + 1] = ask.scopes[GUARD_COUNTRY]
  for i, rule in ipairs(redis.call('HMGET', GUARD_RULES, unpack(scopes))) do
    local word, till = string.match(rule or '', '^(%a+) (%d+)$')
    if word and tonumber(till) > now then
      return word, scopes[i], till - now
    end
  end
end

local function guard_spent(now)
  local day, spent = string.match(redis.call('GET', GUARD_SPEND) or '', '^(%d+) (%d+)$')
  local today = math.floor(now / GUARD_DAY)
  return today, tonumber(day) == today and tonumber(spent) or 0
end

local function guard_spend(today, spent)
  redis.call('SET', GUARD_SPEND, today .. ' ' .. string.format('%d', spent), 'PX', 2 * GUARD_DAY)
end

-- Behind one address there may be many people, of a VPN of many countries: what they verify counts.
local function guard_address_refuses(now, ask)
  local name, figures = 'ip:' .. ask.address, guard_figures(ask)
  local c = guard_read(GUARD .. name, now, GUARD_ADDRESS)
  local _, verified = guard_count(c, 3, now)
  local fan, known = guard_fan(GUARD_FAN .. ask.address, now)
  if not known[ask.scopes[GUARD_COUNTRY]] and #fan >= figures.countries + verified then
    return {reason = 'countries ' .. name, wait = fan[1][2] + GUARD_DAY - now}
  end
  local window, wait = guard_over(c, now, guard_standing(c, now, figures.ratio), figures.address)
  return window and {reason = window .. ' ' .. name, wait = wait}
end

-- From the narrowest scope to the widest. One that is over its cap stops what lies in it, except
-- for a narrower scope that has verified codes and keeps to a strict cap: under an attack on a
-- country, the ranges in which its people are known go on. A country need not have verified any,
-- or none could begin while all new ones together are over their cap.
local function guard_scopes_refuse(now, ask)
  local figures = guard_figures(ask)
  local strict = {figures.strict, figures.strict, 2 * figures.strict}
  local caps = {figures.new, figures.country, figures.coarse, figures.fine}
  local good, proven = false, false
  for kind = #ask.scopes, 1, -1 do
    local scope = ask.scopes[kind]
    local c = guard_read(GUARD .. scope, now, kind)
    local _, verified = guard_count(c, 4, now)
    if kind > 1 or not proven then -- the first is of all countries that have nothing to show
      local standing = guard_standing(c, now, figures.ratio)
      local window, wait = guard_over(c, now, standing, caps[kind])
      if window and not good then
        return {reason = window .. ' ' .. scope, wait = wait}
      end
      good = good or (kind == GUARD_COUNTRY or verified >= 1) and not guard_over(c, now, standing, strict)
    end
    proven = kind == GUARD_COUNTRY and verified >= figures.proven
  end
  return nil
end

-- Of a phone that verified within a fortnight: its key, ms of when, sends to it since then.
local function guard_known(now, digests)
  for _, digest in ipairs(digests) do
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

local function guard_refuses(now, ask)
  if ask.budget > 0 then
    local today, spent = guard_spent(now)
    if spent + ask.price > ask.budget then
      return {reason = 'budget all', wait = (today + 1) * GUARD_DAY - now}
    end
  end
  local word, scope, left = guard_rule(now, ask)
  if word == 'block' then
    return {reason = 'blocked ' .. scope, wait = left}
  end
  local refusal = ask.address ~= '' and guard_address_refuses(now, ask)
  if not refusal then
    -- Strangers can bring a range over its caps: who proved his phone goes on. All of it is looked at
    -- for every phone, so that the time tells none apart.
    refusal = guard_scopes_refuse(now, ask)
    local _, _, sends = guard_known(now, ask.phones)
    refusal = not (sends and sends < guard_figures(ask).known) and refusal or nil
  end
  if refusal and (word == 'allow' or ask.allowed) then
    return {reason = 'allowed-' .. refusal.reason, wait = refusal.wait, allowed = true}
  end
  return refusal
end

local function guard_enforces(ask, refusal)
  return ask.mode == 'enforce' and not refusal.allowed
end

local function guard_note(now, refusal)
  if not refusal.allowed then
    local key = GUARD .. string.match(refusal.reason, ' (.+)$')
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
local function guard_sent(now, ask)
  if ask.price > 0 then
    local today, spent = guard_spent(now)
    guard_spend(today, spent + ask.counts * ask.price)
  end
  local country = ask.scopes[GUARD_COUNTRY]
  local _, verified = guard_count(guard_read(GUARD .. country, now, GUARD_COUNTRY), 4, now)
  local told = {string.format('%d', now), string.format('%d', ask.price), country}
  for kind = verified >= guard_figures(ask).proven and 2 or 1, #ask.scopes do
    guard_add_send(GUARD .. ask.scopes[kind], now, kind, ask.counts)
    told[#told + 1] = ask.scopes[kind]
  end
  if ask.address ~= '' then
    local name, key = 'ip:' .. ask.address, GUARD_FAN .. ask.address
    guard_add_send(GUARD .. name, now, GUARD_ADDRESS, ask.counts)
    told[#told + 1] = name
    local fan, known = guard_fan(key, now)
    if ask.counts == 1 and not known[country] then
      fan[#fan + 1] = {country, string.format('%d', now)}
    end
    guard_keep_fan(key, fan)
  end
  local known, at, sends = guard_known(now, ask.phones)
  if known then
    guard_keep_known(known, now, at, sends + ask.counts)
  end
  told[#told + 1] = 'phone:' .. ask.phones[1]
  return ask.counts == 1 and table.concat(told, ' ') or ''
end

-- It was verified, in the windows in which its send counted.
local function guard_add_verified(key, now, sent)
  local c = guard_read(key, now, 0)
  if c[1] > 0 then -- otherwise nobody remembers the send
    for w = 1, 4 do
      local at = 5 * w - 1
      local ago = c[at] - math.floor(sent / GUARD_WINDOWS[w])
      if ago == 0 or ago == 1 then
        local place = at + 2 + 2 * ago
        c[place] = c[place] + 1
      end
    end
    guard_write(key, now, c)
  end
end

local GUARD_TEXT = '^(%d+) (%d+) (%S+) (.+)$'

local function guard_verified(now, text)
  local sent, _, country, scopes = string.match(text or '', GUARD_TEXT)
  if not sent then
    return -- the guard was off when it was sent
  end
  for scope in string.gmatch(scopes, '%S+') do
    guard_add_verified(GUARD .. scope, now, sent)
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
