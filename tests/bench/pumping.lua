-- Send and verify in virtual time, many events in one call.
-- ARGV: JSON, a list of maps: at (ms), send (its number), ask (see guard/lua/includes/guard.lua; none: it is verified)
-- Returns for each send "" or "<ms to wait> <reason> <scope>".
--- @include "guard"
local guard = guard_library()
local answers = {}
for _, event in ipairs(cjson.decode(ARGV[1])) do
  local now, note, ask = event.at, 'pumping:' .. event.send, event.ask
  if not ask then
    guard.verified(now, redis.call('GET', note))
  else
    local refusal = guard.refuses(now, ask)
    if refusal then
      guard.note(now, refusal)
    end
    if not (refusal and guard.enforces(ask, refusal)) then
      redis.call('SET', note, guard.sent(now, ask), 'PX', 120000)
    end
    answers[#answers + 1] = refusal and string.format('%d %s', refusal.wait, refusal.reason) or ''
  end
end
return answers
