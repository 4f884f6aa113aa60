-- While PHONE_SECRET_KEY is being changed: what stands under digests of an older key goes on under
-- those of the newest. Each of older is a pair of keys {phone, failures} under one of these.
local function carry(phone, failures, older)
  for _, old in ipairs(older) do
    if redis.call('EXISTS', phone) == 0 and redis.call('EXISTS', old.phone) == 1 then
      redis.call('RENAME', old.phone, phone)
      local code = VERIFICATION .. (redis.call('HGET', phone, 'id') or '')
      if redis.call('EXISTS', code) == 1 then
        redis.call('HSET', code, 'phone', phone, 'failures', failures)
      end
    end
    if redis.call('EXISTS', failures) == 0 and redis.call('EXISTS', old.failures) == 1 then
      redis.call('RENAME', old.failures, failures)
    end
  end
end
