-- Complete the session of a verification, see otp.sessions, in the same step that accepts its code.
-- The program then gets the result even if the page never loads again.
-- envelope: the verification's sealed envelope, from which otp.sessions reads the number
-- apart: true: the session is in another cell, so leave the result here; see ../session.lua
local function end_session(id, verification_id, envelope, apart)
  if apart then
    local ended = SESSION_ENDED .. id
    redis.call('HSET', ended, 'verification', verification_id, 'verified', envelope)
    redis.call('PEXPIRE', ended, SESSION_LIFETIME)
    return
  end
  local session = SESSION .. id
  if redis.call('HGET', session, 'status') == 'pending' then
    redis.call('HSET', session, 'status', 'valid', 'verification', verification_id, 'verified', envelope)
    redis.call('PEXPIRE', session, SESSION_LIFETIME)
  end
end
