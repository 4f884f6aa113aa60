-- Send and verify in virtual time, many events in one call.
-- ARGV: JSON, a list of [ms, number of the send, keys, values] for a send, [ms, number] for a verification,
--       [ms, number, "unsent"] for a send that is taken back
-- Returns for each send "" or "<ms to wait> <reason> <scope>".
--- @include "counts"
--- @include "rules"
local answers = {}
for _, event in ipairs(cjson.decode(ARGV[1])) do
  local now, note, keys, values = event[1], 'pumping:' .. event[2], event[3], event[4]
  if keys == 'unsent' then
    guard_unsent(now, redis.call('GET', note))
  elseif not keys then
    guard_verified(now, redis.call('GET', note))
  else
    local refusal = guard_refuses(now, keys, values)
    if refusal then
      guard_note(now, refusal)
    end
    if not (refusal and guard_enforces(values, refusal)) then
      redis.call('SET', note, guard_sent(now, keys, values), 'PX', 120000)
    end
    answers[#answers + 1] = refusal and string.format('%d %s', refusal[2], refusal[1]) or ''
  end
end
return answers
