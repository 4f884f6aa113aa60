-- What start.lua and resend.lua share, once the phone itself may have an SMS: refuse, or let the code out.
--- @include "limits"
--- @include "count_limits"
--- @include "guard"
--- @include "overload"
--- @include "accept"
--- @include "call_back"

-- Why nothing goes out: {status = 'overloaded' or 'limited' or 'guard', wait, limit, refusal}. Otherwise nil, what the
-- guard wants to read when the code is accepted, and the refusal that is only told (shadow, allowed): {wait, reason}.
-- What goes out is counted.
local function send_refuses(now, args)
  local wait = args.message and overload(now, args.message)
  if wait then
    return { status = 'overloaded', wait = wait }
  end
  local limit, counted, refusal
  limit, wait = limits_refuse(now, args.limits)
  if limit then
    return { status = 'limited', wait = wait, limit = limit }
  end
  if args.guard then
    counted, refusal = guard_send(now, args.guard)
    if refusal then
      refusal.wait = math.ceil(refusal.wait)
    end
    if not counted then
      return { status = 'guard', wait = refusal.wait, refusal = refusal }
    end
  end
  limits_count(now, args.limits)
  return nil, counted or '', refusal
end

-- Unless it is refused, count the send, begin the cooldown of the phone, accept the SMS in place of the one before, and
-- keep args.kept.
-- phone, failures, verification: their keys. code: sends (how many SMS in a row this is), born (when it was made),
--   expires_at (both ms), left, former (key of the verification that it replaces; none: goes on), reference (id of the
--   SMS before, if it is to be called back)
local function issue(now, phone, failures, verification, args, code)
  local refused, counted, refusal = send_refuses(now, args)
  if refused then
    return cjson.encode(refused)
  end
  local message, expires_at = args.message, code.expires_at
  local cooldown = args.cooldowns[math.min(code.sends, #args.cooldowns)] -- the last one stays
  local resend_at = now + cooldown
  redis.call('HSET', phone, 'id', args.id, 'sends', code.sends, 'resend_at', resend_at)
  redis.call('PEXPIRE', phone, math.max(cooldown, args.lifetime) + ESCALATION_KEPT)
  if code.former then
    redis.call('DEL', code.former)
  end
  local called_back = code.reference and call_back(code.reference)
  if message then
    accept(now, message, expires_at)
  end
  -- stylua: ignore
  redis.call('HSET', verification, 'reference', message and message.id or '', 'phone', phone, 'failures', failures,
    'created_at', code.born, 'expires_at', expires_at, 'resend_at', resend_at, 'guard', counted, unpack(args.kept))
  redis.call('PEXPIRE', verification, math.max(expires_at - now, 1))
  return cjson.encode({
    status = 'issued',
    now = now,
    expires_at = expires_at,
    resend_at = resend_at,
    left = code.left,
    refusal = refusal,
    reference = code.reference,
    called_back = called_back,
  })
end
