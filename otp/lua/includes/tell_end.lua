-- Tell the receivers of WEBHOOKS how a verification ended.
--- @include "told"
-- how: verified, blocked or cancelled. status: as the API has it. known: of one that was started before anybody wanted
-- to be told.
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
