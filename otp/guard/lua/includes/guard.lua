-- The pumping guard: how many sends of a country, a prefix, an address stayed unverified, and whether one more may go.
--
-- ask: mode; figures (otp.guard.settings.Figures); allowed (whether GUARD_ALLOW names the number); price of all its
--      parts by its first channel, reserved (the same by the dearest) and budget (millionths); address (its digest, or
--      ""); phones (digests under each secret, the newest first; none: an e-mail, of which only the money counts, and
--      what follows from a number is left out); counts (1, or 0 where no SMS goes out); country, and where the number has
--      them coarse and fine (its two prefixes); start (the number without its last six digits); tags (of its two longer
--      prefixes, the longer one's first)
--
-- What stands in Redis, all of it with a TTL (GUARD, GUARD_FAN and so on: see otp/names.py):
--   otp:guard:<scope>         string  numbers, see counts.lua; <scope> is a country, a +prefix (its last two digits as a
--                                     keyed digest, if it is the fine one), "new" (all countries without proof) or
--                                     "ip:<keyed digest>"
--   otp:guard-fan:<digest>    string  countries of an address, see fan.lua
--   otp:guard-known:<digest>  string  of a phone that verified: ms of when, sends to it since
--   otp:guard-spend           string  day (since the epoch), spent (millionths)
--   otp:guard-rules           hash    scope -> "allow <until ms>" or "block <until ms>"
--   otp:guard-over            sorted set  scope -> when it was found over its cap last (ms); the latest MOST_OVER

local MOST_OVER = 500 -- that are remembered, so that to look at all of them takes little

-- Decide about one send, and count it or its refusal. Returns the text from which verified.lua counts that its code was
-- typed ("" if that shall not count), nil if it may not go; then a refusal, nil if there is none: reason, wait (ms).
-- With both of them it goes all the same: in shadow, or because an operator allowed it. With neither it has to solve a
-- puzzle first: share is then the part of a cap beyond which it has. looks: only whether it has; nothing is counted.
-- A reason is "<word> <scope>", the word one of blocked, budget, countries, hour, day, fortnight; of what was allowed
-- "allowed-<word> <scope>".
-- Every run of a script makes its functions anew. So the includes stand inside: at the top, a start without the guard
-- took 5 to 8 % longer.
local function guard_send(now, ask, share, looks)
  -- luacheck: ignore 432
  --- @include "caps"
  --- @include "fan"
  --- @include "money"
  --- @include "rules"
  local figures, country, sends, phones = ask.figures, ask.country, ask.counts, ask.phones
  local only_money = #phones == 0
  local address = ask.address ~= '' and 'ip:' .. ask.address
  local address_key, fan_key = GUARD .. 'ip:' .. ask.address, GUARD_FAN .. ask.address

  -- What the number counts for, from the widest scope to the narrowest, each at the place of its kind; a short one for
  -- its country alone.
  local scopes = { 'new', country, ask.coarse, ask.fine }
  local scope_keys = {}
  for kind, scope in ipairs(scopes) do
    scope_keys[kind] = GUARD .. scope
  end

  -- Everything that is looked at on the way, in one call.
  local keys = { address_key, fan_key, GUARD_SPEND, unpack(scope_keys) }
  for _, digest in ipairs(phones) do
    keys[#keys + 1] = GUARD_KNOWN .. digest
  end
  local texts = {}
  for i, text in ipairs(redis.call('MGET', unpack(keys))) do
    texts[keys[i]] = text
  end

  local known_counts = {} -- by key: a refusal and a send may count at the same place
  local function counts_of(key, kind)
    local counts = known_counts[key]
    if not counts then
      local text = texts[key]
      if text == nil then -- the scope of a rule, or of the budget
        text = redis.call('GET', key)
      end
      counts = read_counts(text, now, kind)
      known_counts[key] = counts
    end
    return counts
  end

  local today, spent = math.floor(now / LENGTH[DAY]), spent_today(texts[GUARD_SPEND], now)

  -- A phone that verified within a fortnight: so many sends to it go beyond the caps of its ranges.
  local phone_key, verified_at, sends_since
  for _, digest in ipairs(phones) do
    local at, since = string.match(texts[GUARD_KNOWN .. digest] or '', '^(%d+) (%d+)$')
    if at and now - at < LENGTH[FORTNIGHT] then
      phone_key, verified_at, sends_since = GUARD_KNOWN .. digest, tonumber(at), tonumber(since)
      break
    end
  end

  local fan, oldest, has_country = read_fan(texts[fan_key], now, country)

  local function verified_within(counts, window)
    return counts[window + VERIFIED] + counts[window + VERIFIED_BEFORE] * part_before(counts, window, now)
  end

  -- Whether the country is no longer new. What is new has caps of all such countries together.
  local function is_proven()
    return verified_within(counts_of(scope_keys[COUNTRY], COUNTRY), FORTNIGHT) >= figures.proven
  end

  -- For /metrics and the dashboard, which do not search the server for scopes.
  local function note_over(scope)
    redis.call('ZADD', GUARD_OVER, now, scope)
    redis.call('ZREMRANGEBYRANK', GUARD_OVER, 0, -MOST_OVER - 1)
    redis.call('PEXPIRE', GUARD_OVER, LENGTH[DAY])
  end

  -- Behind one address there may be many people, of a VPN of many countries: what they verify counts.
  local function address_refuses()
    local counts = counts_of(address_key, ADDRESS)
    if not has_country and #fan >= figures.countries + verified_within(counts, DAY) then
      note_over(address)
      return 'countries', address, oldest + LENGTH[DAY] - now
    end
    local window, wait = first_over(counts, now, figures.ratio, figures.address)
    if window then
      note_over(address)
    end
    return window, address, wait
  end

  -- Whether people are known in a scope narrower than this one, and it keeps to a strict cap.
  local function has_good_within(wide)
    local strict = { figures.strict, figures.strict, 2 * figures.strict }
    for kind = wide + 1, #scopes do
      local counts = counts_of(scope_keys[kind], kind)
      -- A country need not have verified any, or none could begin while all new ones together are over their cap.
      local is_known = kind == COUNTRY or verified_within(counts, FORTNIGHT) >= 1
      if is_known and not first_over(counts, now, figures.ratio, strict) then
        return true
      end
    end
    return false
  end

  -- The narrowest scope that is over its cap stops what lies in it, unless there is a good one within: under an attack on
  -- a country, the ranges in which its people are known go on.
  local function scopes_refuse()
    local caps = { figures.new, figures.country, figures.coarse, figures.fine }
    for kind = #scopes, is_proven() and COUNTRY or NEW, -1 do
      local counts = counts_of(scope_keys[kind], kind)
      local window, wait = first_over(counts, now, figures.ratio, caps[kind])
      if window then
        note_over(scopes[kind])
        if has_good_within(kind) then
          return nil
        end
        return window, scopes[kind], wait
      end
    end
  end

  -- The first word of a reason, its scope, ms to wait, and whether an operator allows it; nil if nothing refuses.
  local function refuses()
    if ask.budget > 0 and spent + ask.reserved > ask.budget then
      return 'budget', 'all', (today + 1) * LENGTH[DAY] - now
    end
    if only_money then
      return nil
    end
    local rule, ruled, left = find_rule(now, ask)
    if rule == 'block' then
      return 'blocked', ruled, left
    end
    local word, scope, wait
    if address then
      word, scope, wait = address_refuses()
    end
    if not word then
      -- Strangers can bring a range over its caps: who proved his phone goes on. All of it is looked at for every phone,
      -- so that the time tells none apart.
      word, scope, wait = scopes_refuse()
      if phone_key and sends_since < figures.known then
        return nil
      end
    end
    return word, scope, wait, rule == 'allow' or ask.allowed
  end

  -- Whether one of its scopes has used up so much of a cap that its send shall cost a puzzle. A phone that verified
  -- costs one like others: strangers must not see which did.
  local function runs_hot()
    local function is_hot(key, kind, caps)
      local parts = { caps[1] * share, caps[2] * share, caps[3] * share }
      return first_over(counts_of(key, kind), now, figures.ratio, parts)
    end
    if address and is_hot(address_key, ADDRESS, figures.address) then
      return true
    end
    local caps = { figures.new, figures.country, figures.coarse, figures.fine }
    for kind = is_proven() and COUNTRY or NEW, #scopes do
      if is_hot(scope_keys[kind], kind, caps[kind]) then
        return true
      end
    end
    return false
  end

  local word, scope, wait, allowed = refuses()
  local refusal = word and { reason = (allowed and 'allowed-' or '') .. word .. ' ' .. scope, wait = wait }
  local is_stopped = word and not allowed and ask.mode == 'enforce'
  if share and not (only_money or allowed or is_stopped) and (word or runs_hot()) then
    return nil
  end
  if looks then
    return ''
  end
  if word and not allowed then
    local counts = counts_of(GUARD .. scope, RULED)
    counts[REFUSED] = counts[REFUSED] + 1
    write_counts(GUARD .. scope, now, counts)
    if ask.mode == 'enforce' then
      return nil, refusal
    end
  end

  -- Count it. What does not count takes the same steps, as who asks must not see by the time that no SMS goes out.
  local function add_send(key, kind)
    local counts = counts_of(key, kind)
    add_sends(counts, kind, sends)
    write_counts(key, now, counts)
  end

  if ask.reserved > 0 then
    local text = string.format('%d %d', today, spent + sends * ask.reserved)
    redis.call('SET', GUARD_SPEND, text, 'PX', 2 * LENGTH[DAY])
  end
  if only_money then
    return '', refusal
  end
  local told = { string.format('%d %d', now, ask.price), country }
  for kind = is_proven() and COUNTRY or NEW, #scopes do
    add_send(scope_keys[kind], kind)
    told[#told + 1] = scopes[kind]
  end
  if address then
    add_send(address_key, ADDRESS)
    told[#told + 1] = address
    if not has_country then
      fan[#fan + 1] = sends == 1 and string.format('%s:%d', country, now) or nil
      write_fan(fan_key, fan)
    end
  end
  if phone_key then
    local text = string.format('%d %d', verified_at, sends_since + sends)
    redis.call('SET', phone_key, text, 'PX', verified_at + LENGTH[FORTNIGHT] - now)
  end
  told[#told + 1] = 'phone:' .. phones[1]
  return sends == 1 and table.concat(told, ' ') or '', refusal
end
