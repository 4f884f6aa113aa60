-- Return why a phone may get no SMS now, or nil: {status = 'pending' (cooldown) or 'blocked' (pause), wait (ms)}.
-- A pause follows wrong guesses in a row, over all codes of this phone and purpose. The first five cost nothing;
-- from the sixth on, the pause doubles with every third guess, up to LONGEST_PAUSE. After MOST_FAILURES it lasts until
-- the guesses are forgotten.
-- resend_at: when the cooldown ends (ms); false if no cooldown applies
local function phone_refuses(now, resend_at, failures)
  local cooldown = tonumber(resend_at or 0) - now
  if cooldown > 0 then
    return { status = 'pending', wait = cooldown }
  end
  local count = tonumber(redis.call('GET', failures) or 0)
  if count < 6 then
    return nil
  end
  local pause = redis.call('PTTL', failures)
  if count < MOST_FAILURES then
    local whole = math.min(FIRST_PAUSE * 2 ^ (math.floor(count / 3) - 2), LONGEST_PAUSE)
    pause = pause - FAILURES_KEPT + whole
  end
  return pause > 0 and { status = 'blocked', wait = pause } or nil
end
