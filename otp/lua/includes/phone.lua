-- Whether a phone may have an SMS now, as far as its cooldown and its wrong guesses go.

-- Ms for which there is no further SMS after wrong guesses in a row, over all codes of a phone and
-- purpose; none after the first few, then growing with every third.
local function pause_left(failures)
  local count = tonumber(redis.call('GET', failures) or 0)
  if count < 6 then
    return 0
  end
  local left = redis.call('PTTL', failures)
  if count >= MOST_FAILURES then
    return left
  end
  local pause = math.min(FIRST_PAUSE * 2 ^ (math.floor(count / 3) - 2), LONGEST_PAUSE)
  return math.max(left - FAILURES_KEPT + pause, 0)
end

-- nil, or the answer: pending while the cooldown runs, blocked in a pause after wrong guesses.
local function phone_refuses(now, resend_at, failures)
  local cooldown = tonumber(resend_at or 0) - now
  if cooldown > 0 then
    return { status = 'pending', wait = cooldown }
  end
  local pause = pause_left(failures)
  if pause > 0 then
    return { status = 'blocked', wait = pause }
  end
end
