-- A right code ends the hand-off that it is for, in the step that takes it: whatever becomes of the page, the program hears.
-- envelope: of the verification, sealed, by which otp.sessions knows the number.
local function end_session(id, verification_id, envelope)
  local session = SESSION .. id
  if redis.call('HGET', session, 'status') == 'pending' then
    redis.call('HSET', session, 'status', 'valid', 'verification', verification_id, 'verified', envelope)
    redis.call('PEXPIRE', session, SESSION_LIFETIME)
  end
end
