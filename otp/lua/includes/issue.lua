-- What start.lua and resend.lua share: the refusals, once the phone itself may have an SMS, and letting the code out.
--- @include "admission"
--- @include "outbox"

-- Whether one more SMS is refused, and what the guard says to it otherwise, as admission_refuses returns it.
local function send_refuses(now, args)
  local wait = args.message and outbox().overload(now, args.message)
  if wait then
    return { status = 'overloaded', wait = wait }
  end
  return admission_refuses(now, args.limits, args.guard)
end

-- Count the send, begin the cooldown of the phone, accept the SMS in place of the one before, and keep args.kept.
-- sends: how many SMS in a row this is; born: when the code was made (ms). answer: expires_at (ms), and what else is
-- told to whoever asked; reference: id of the SMS before, if it is to be called back.
local function issue(now, sends, born, args, answer)
  local phone, failures, verification = KEYS[1], KEYS[2], KEYS[3]
  local message, kept = args.message, args.kept
  local cooldown = args.cooldowns[math.min(sends, #args.cooldowns)] -- the last one stays
  local resend_at, expires_at = now + cooldown, answer.expires_at
  redis.call('HSET', phone, 'id', args.id, 'sends', sends, 'resend_at', resend_at)
  redis.call('PEXPIRE', phone, math.max(cooldown, args.lifetime) + ESCALATION_KEPT)
  if answer.reference then
    answer.called_back = outbox().call_back(answer.reference)
  end
  if message then
    outbox().accept(now, message, expires_at)
  end
  kept[#kept + 1], kept[#kept + 2] = 'reference', message and message.id or ''
  local size = #kept
  kept[size + 1], kept[size + 2] = 'phone', phone
  kept[size + 3], kept[size + 4] = 'failures', failures
  kept[size + 5], kept[size + 6] = 'created_at', born
  kept[size + 7], kept[size + 8] = 'expires_at', expires_at
  kept[size + 9], kept[size + 10] = 'resend_at', resend_at
  kept[size + 11], kept[size + 12] = 'guard', admission_counts(now, args.limits, args.guard)
  redis.call('HSET', verification, unpack(kept))
  redis.call('PEXPIRE', verification, math.max(expires_at - now, 1))
  answer.status, answer.now, answer.resend_at = 'issued', now, resend_at
  return cjson.encode(answer)
end
