-- Send an event to WEBHOOKS when a verification ends.
--- @include "told"
-- how: verified, blocked or cancelled
-- status: as the API names it
-- known: data for the event if nothing was kept, because the verification began before WEBHOOKS was set
local function tell_end(now, id, how, status, known)
  if not wants_ends() then
    return
  end
  local kept = redis.call('HGET', VERIFICATIONS_TOLD, id)
  local data = kept and cjson.decode(kept) or known
  data.status = status
  forget_told(id)
  tell_event(now, 'verification.' .. how, id, data)
end
