-- Note that a phone gets one more SMS: when it may have the next, and for how long that is remembered.
-- cooldowns: ms after the 1st, 2nd, … SMS; the last one stays. Returns when it may have the next (ms).
local function begin_cooldown(now, phone, id, sends, cooldowns, lifetime)
  local cooldown = cooldowns[math.min(sends, #cooldowns)]
  redis.call('HSET', phone, 'id', id, 'sends', sends, 'resend_at', now + cooldown)
  redis.call('PEXPIRE', phone, math.max(cooldown, lifetime) + ESCALATION_KEPT)
  return now + cooldown
end
