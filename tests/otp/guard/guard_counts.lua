-- One step of the guard's counts, to look at.
-- KEYS: a scope
-- ARGV: args (JSON): now (ms), step (read, send, verify or judge); kind, sent (ms; of verify), caps, ratio (of judge)
-- Returns JSON: {text (of the scope), standings (of judge: {unverified, earned} of hour, day, fortnight), over, wait}.
--- @include "texts"
--- @include "counts"
--- @include "caps"
local scope = KEYS[1]
local args = cjson.decode(ARGV[1])
local answer = {}
if args.step == 'read' then
  write_counts(scope, args.now, read_counts(scope, args.now, args.kind))
elseif args.step == 'send' then
  add_send(scope, args.now, args.kind, 1)
elseif args.step == 'verify' then
  add_verified(scope, args.now, args.sent)
else
  local counts = read_counts(scope, args.now, args.kind)
  local standings = standing(counts, args.now, args.ratio)
  answer.verified = verified_within(counts.hour, args.now)
  answer.standings = {}
  for i, stands in ipairs(standings) do
    answer.standings[i] = { stands.unverified, stands.earned }
  end
  answer.over, answer.wait = first_over(standings, args.now, args.caps)
end
answer.text = redis.call('GET', scope) or nil
return cjson.encode(answer)
