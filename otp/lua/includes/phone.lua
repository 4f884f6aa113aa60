-- nil, or why a phone may have no SMS now: pending while its cooldown runs, blocked in a pause after wrong guesses in
-- a row, over all codes of a phone and purpose; none after the first few, then growing with every third. resend_at: false
-- where no cooldown counts.
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
