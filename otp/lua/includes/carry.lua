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
