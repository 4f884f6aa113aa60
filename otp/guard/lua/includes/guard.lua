-- The pumping guard: it counts the unverified sends of a country, a prefix and an address, and decides about one more.
--
-- ask, from otp.guard.decision (money in millionths):
--   mode           enforce or shadow
--   figures        otp.guard.settings.Figures
--   allowed        whether GUARD_ALLOW names the number
--   price          of all parts of the message, by its first channel
--   reserved       the same by its dearest channel
--   budget         for a day; 0: no limit
--   address        digest of the user's address, or ""
--   phones         digests under each secret, newest first. Empty for an e-mail address: then only money counts, and
--                  the fields that follow from a number are absent.
--   counts         1, or 0 if no SMS goes out
--   country
--   coarse, fine   the two prefixes that the number counts for; absent for a short number
--   start          the number without its last six digits
--   tags           of the number without its last four digits, then without its last five; each under
--                  every secret
--
-- Keys in Redis, all with a TTL (for GUARD, GUARD_FAN and so on see otp/names.py):
--   otp:guard:<scope>         string      counts, see counts.lua. A scope is a country, a +prefix (the fine one with its
--                                         last two digits as a keyed digest), "new" (all new countries: those with too
--                                         few verified codes) or "ip:<keyed digest>".
--   otp:guard-fan:<digest>    string      countries of an address, see fan.lua
--   otp:guard-known:<digest>  string      a phone that verified: when (ms), and the sends to it since
--   otp:guard-spend           string      day (since the epoch), spent (millionths)
--   otp:guard-rules           hash        scope -> "allow <until ms>" or "block <until ms>"
--   otp:guard-over            sorted set  scope -> when it was last found over its cap (ms); the latest MOST_OVER

local MOST_OVER = 500 -- few enough to read them all at once

-- Decide about one send, and count it or its refusal. Returns two values:
--   text, nil       send it. text is for verified.lua, once the code is typed; "" if that is not to count.
--   text, refusal   send it nevertheless: in shadow mode, or because an operator allowed it
--   nil, refusal    refuse it
--   nil, nil        ask for a puzzle first
-- refusal: wait (ms), and reason: "<word> <scope>", the word one of blocked, budget, countries, hour, day, fortnight.
-- If an operator allowed the send, the reason is "allowed-<word> <scope>".
-- share: ask for a puzzle once this share of a cap is used; nil: never
-- looks: only find out about the puzzle, and count nothing
--
-- The includes are inside the function on purpose. Every run of a script creates its functions anew: with these at the
-- top, a start without the guard took 5 to 8 % longer.
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

  -- The scopes that the number counts for, widest first, each at the index of its kind. A short number has only the
  -- first two.
  local scopes = { 'new', country, ask.coarse, ask.fine }
  local scope_keys = {}
  for kind, scope in ipairs(scopes) do
    scope_keys[kind] = GUARD .. scope
  end

  -- Read everything in one call.
  local keys = { address_key, fan_key, GUARD_SPEND, unpack(scope_keys) }
  for _, digest in ipairs(phones) do
    keys[#keys + 1] = GUARD_KNOWN .. digest
  end
  local texts = {}
  for i, text in ipairs(redis.call('MGET', unpack(keys))) do
    texts[keys[i]] = text
  end

  local known_counts = {} -- by key, because a refusal and a send may count at the same key
  local function counts_of(key, kind)
    local counts = known_counts[key]
    if not counts then
      local text = texts[key]
      if text == nil then -- the scope of a rule or of the budget
        text = redis.call('GET', key)
      end
      counts = read_counts(text, now, kind)
      known_counts[key] = counts
    end
    return counts
  end

  local today, spent = math.floor(now / LENGTH[DAY]), spent_today(texts[GUARD_SPEND], now)

  -- A phone that verified in the last fortnight may get some sends beyond the caps of its ranges.
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

  -- Tell whether the country has enough verified codes. All others are new, and share the caps of "new".
  local function is_proven()
    return verified_within(counts_of(scope_keys[COUNTRY], COUNTRY), FORTNIGHT) >= figures.proven
  end

  -- List scopes over their cap, so that /metrics and the dashboard need not scan for them.
  local function note_over(scope)
    redis.call('ZADD', GUARD_OVER, now, scope)
    redis.call('ZREMRANGEBYRANK', GUARD_OVER, 0, -MOST_OVER - 1)
    redis.call('PEXPIRE', GUARD_OVER, LENGTH[DAY])
  end

  -- A VPN may hide many people from many countries behind one address, so what they verify raises its caps.
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

  -- Tell whether a narrower scope has verified codes and stays within the strict cap.
  local function has_good_within(wide)
    local strict = { figures.strict, figures.strict, 2 * figures.strict }
    for kind = wide + 1, #scopes do
      local counts = counts_of(scope_keys[kind], kind)
      -- A country counts even without verified codes. Otherwise none could start while "new" is over its cap.
      local is_known = kind == COUNTRY or verified_within(counts, FORTNIGHT) >= 1
      if is_known and not first_over(counts, now, figures.ratio, strict) then
        return true
      end
    end
    return false
  end

  -- The narrowest scope over its cap refuses, unless a good one lies within it. So during an attack on a country, the
  -- ranges with verified users still get codes.
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

  -- Return the reason's word, its scope, ms to wait, and whether an operator allows it; nil if nothing refuses.
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
      -- Strangers can push a range over its caps, so a phone that verified lately is let through. Its scopes are
      -- checked nevertheless: the time taken must not tell such phones from others.
      word, scope, wait = scopes_refuse()
      if phone_key and sends_since < figures.known then
        return nil
      end
    end
    return word, scope, wait, rule == 'allow' or ask.allowed
  end

  -- Tell whether a scope has used so much of a cap that this send costs a puzzle. A phone that verified lately is no
  -- exception, because strangers must not see which phones did.
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

  -- Count the send. One that does not count takes the same steps: timing must not reveal that no SMS goes out.
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
