-- Take back a send that the guard has counted, because no message goes out.
-- text: as guard_send returned it
-- ask: of it, see guard.lua: reserved and counts
--
-- The includes are inside the function, as in guard.lua.
local function guard_take_back(now, text, ask)
  -- luacheck: ignore 432
  --- @include "counts"
  --- @include "money"
  local money = ask.reserved * ask.counts
  if money > 0 then
    local today = math.floor(now / LENGTH[DAY])
    local spent = math.max(spent_today(redis.call('GET', GUARD_SPEND), now) - money, 0)
    redis.call('SET', GUARD_SPEND, string.format('%d %d', today, spent), 'PX', 2 * LENGTH[DAY])
  end
  local sent, scopes = string.match(text, '^(%d+) %d+ %S+ (.+)$')
  for scope in string.gmatch(scopes or '', '%S+') do
    local phone = string.match(scope, '^phone:(.+)$')
    local key = phone and GUARD_KNOWN .. phone or GUARD .. scope
    local known = redis.call('GET', key)
    if known and phone then
      local verified_at, sends_since = string.match(known, '^(%d+) (%d+)$')
      redis.call('SET', key, string.format('%d %d', verified_at, math.max(sends_since - 1, 0)), 'KEEPTTL')
    elseif known then
      local counts = read_counts(known, now)
      for window = YOUNG, FORTNIGHT, NEXT do
        local ago = counts[window] - math.floor(sent / LENGTH[window])
        local field = ago == 0 and window + SENDS or ago == 1 and window + SENDS_BEFORE
        if field then
          counts[field] = math.max(counts[field] - 1, 0)
        end
      end
      write_counts(key, now, counts)
    end
  end
end
