-- What Python makes a Message of, in the order of SHOWN in sms/records.py; false for what the record has not.
local function shown(record_key)
  return redis.call(
    'HMGET',
    record_key,
    'state',
    'queue',
    'country',
    'masked',
    'created_at',
    'expires_at',
    'attempts',
    'alias',
    'provider_message_id',
    'error',
    'reported',
    'request_id',
    'verification_id'
  )
end
