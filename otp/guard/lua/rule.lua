-- Set or release an operator's rule for a scope. A release also forgives its unverified sends.
-- KEYS: the hash of rules; then, to release, the key of the scope and, for a prefix, of those within it
-- ARGV: args (JSON): scope, word ("allow", "block" or "release"), lasts (ms that the rule holds)
-- Returns JSON: {now (ms), released (true if a rule or counts were found)}
--- @include "clock"
--- @include "counts"
local rules, scope_keys = KEYS[1], { unpack(KEYS, 2) }
local args = cjson.decode(ARGV[1])
local now = clock()

if args.word ~= 'release' then
  redis.call('HSET', rules, args.scope, string.format('%s %d', args.word, now + args.lasts))
  if redis.call('PTTL', rules) < args.lasts then
    redis.call('PEXPIRE', rules, args.lasts)
  end
  return cjson.encode({ now = now, released = false })
end

local released = redis.call('HDEL', rules, args.scope) == 1
for _, key in ipairs(scope_keys) do
  local text = redis.call('GET', key)
  if text then
    local counts = read_counts(text, now)
    for window = YOUNG, FORTNIGHT, NEXT do
      counts[window + SENDS] = math.min(counts[window + SENDS], counts[window + VERIFIED])
      counts[window + SENDS_BEFORE] =
        math.min(counts[window + SENDS_BEFORE], counts[window + VERIFIED_BEFORE])
    end
    counts[REFUSED], counts[REFUSED_BEFORE] = 0, 0
    write_counts(key, now, counts)
    released = true
  end
end
return cjson.encode({ now = now, released = released })
