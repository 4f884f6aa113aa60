-- Send and verify in virtual time, many events in one call.
-- ARGV: JSON, a list of maps: at (ms), send (its number), ask (see guard/lua/includes/guard.lua; none: it is verified)
-- Returns for each send "" or "<ms to wait> <reason> <scope>".
--- @include "caps"
--- @include "fan"
--- @include "guard"
--- @include "verified"
local answers = {}
for _, event in ipairs(cjson.decode(ARGV[1])) do
  local now, note, ask = event.at, PUMPING .. event.send, event.ask
  if not ask then
    guard_verified(now, redis.call('GET', note) or '')
  else
    local text, refusal = guard_send(now, ask)
    if text then
      redis.call('SET', note, text, 'PX', 120000)
    end
    answers[#answers + 1] = refusal and string.format('%d %s', refusal.wait, refusal.reason) or ''
  end
end
return answers
