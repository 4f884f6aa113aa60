-- One step of the guard's counts, to look at.
-- KEYS: a scope
-- ARGV: args (JSON): now (ms), step (read, send, verify or judge); kind, sent (ms; of verify), caps, ratio (of judge)
-- Returns JSON: {text (of the scope), standings (of judge: {unverified, earned} of hour, day, fortnight), over, wait}.
local GUARD, GUARD_FAN, GUARD_KNOWN = '', 'fan:', 'known:'
--- @include "caps"
--- @include "verified"
local scope = KEYS[1]
local args = cjson.decode(ARGV[1])
local answer = {}
local counts = read_counts(redis.call('GET', scope), args.now, args.kind)
if args.step == 'read' then
  write_counts(scope, args.now, counts)
elseif args.step == 'send' then
  add_sends(counts, args.kind, 1)
  write_counts(scope, args.now, counts)
elseif args.step == 'verify' then
  guard_verified(args.now, string.format('%d 0 DE %s', args.sent, scope))
else
  local unverified, earned = standing(counts, args.now, args.ratio)
  local _, verified = count_within(counts, HOUR, args.now)
  answer.verified = verified
  answer.standings = {}
  for i = 1, #CAPPED do
    answer.standings[i] = { unverified[i], earned[i] }
  end
  answer.over, answer.wait = first_over(counts, args.now, args.ratio, args.caps)
end
answer.text = redis.call('GET', scope) or nil
return cjson.encode(answer)
