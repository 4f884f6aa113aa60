-- Count for SMS_ROUTING how many codes of an alias were sent and typed, in one hash for every five minutes of sending.
-- See sms.learning.
local SLICE = 300000 -- ms
local LEARNING_KEPT = 7 * 86400000 -- ms

-- what: sent (the alias took the code, or refused the number) or typed
-- at: when it was sent (ms)
local function learn_conversion(record, what, alias, at)
  local target = record.learns or '' -- digest of the route, if it gave a choice
  if target == '' or alias == '' then
    return
  end
  local key = LEARNING .. math.floor(at / SLICE)
  redis.call('HINCRBY', key, table.concat({ what, target, record.country or '', alias }, '|'), 1)
  redis.call('PEXPIRE', key, LEARNING_KEPT)
end
