-- What the codes of an alias come to, for SMS_ROUTING: in a hash for each five minutes in which they were sent. See
-- sms.learning.
local SLICE = 300000 -- ms
local LEARNING_KEPT = 7 * 86400000 -- ms

-- what: sent (it took the code, or refused the number) or typed. at: when it was sent (ms).
local function learn_conversion(record, what, alias, at)
  local target = record.learns or '' -- the route that gave a choice, if there was one
  if target == '' or alias == '' then
    return
  end
  local key = LEARNING .. math.floor(at / SLICE)
  redis.call('HINCRBY', key, table.concat({ what, target, record.country or '', alias }, '|'), 1)
  redis.call('PEXPIRE', key, LEARNING_KEPT)
end
