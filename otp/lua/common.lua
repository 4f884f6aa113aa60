-- What several scripts share; they begin with this text, and that with the constants of otp/store.py.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function slice(list, first, count)
  return {unpack(list, first, first + count - 1)}
end

-- While PHONE_SECRET_KEY is being changed: what stands under digests of an older key goes on under
-- those of the newest. phone, failures: their keys; older: the same pairs of the older keys.
local function carry(phone, failures, older)
  for i = 1, #older, 2 do
    if redis.call('EXISTS', phone) == 0 and redis.call('EXISTS', older[i]) == 1 then
      redis.call('RENAME', older[i], phone)
      local code = VERIFICATION .. (redis.call('HGET', phone, 'id') or '')
      if redis.call('EXISTS', code) == 1 then
        redis.call('HSET', code, 'phone', phone, 'failures', failures)
      end
    end
    if redis.call('EXISTS', failures) == 0 and redis.call('EXISTS', older[i + 1]) == 1 then
      redis.call('RENAME', older[i + 1], failures)
    end
  end
end

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

-- Whether a phone may have an SMS now: nil, or {pending, ms to wait} while its cooldown runs, or {blocked,
-- ms to wait} in a pause after wrong guesses.
local function phone_refuses(now, resend_at, failures)
  if now < resend_at then
    return {'pending', resend_at - now}
  end
  local pause = pause_left(failures)
  if pause > 0 then
    return {'blocked', pause}
  end
end

-- How many attempts a code has left, and the field that counts them. Guesses by_id and by_phone have a count
-- each: anybody may guess at a number, and that must not use up the attempts of whoever holds the id. A code
-- that an older version made has one count for both.
local function attempts(by, left, left_by_phone)
  if by == 'by_phone' and left_by_phone then
    return tonumber(left_by_phone), 'left_by_phone'
  end
  return tonumber(left), 'left'
end
