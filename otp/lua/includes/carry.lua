-- During a rotation of PHONE_SECRET_KEY: rename keys under digests of an older secret to those of the newest.
-- older: a list of {phone, failures}, the keys under each older secret
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
