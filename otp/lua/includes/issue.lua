-- Refuse a code or send it, shared by start.lua and resend.lua. Both have checked the phone's own cooldown before.
--- @include "channel"
--- @include "starts"
--- @include "admit"
--- @include "overload"
--- @include "accept"
--- @include "call_back"
--- @include "story"
--- @include "told"

-- Decide whether the code may be sent. Returns as admit.
local function send_refuses(now, args)
  local wait = args.message and overload(now, args.message)
  if wait then
    return { status = 'overloaded', wait = wait }
  end
  if args.admitted then -- the hub was asked before, see ../admit.lua
    return nil, args.admitted.counted, args.admitted.refusal
  end
  return admit(now, args)
end

-- args.by: set by a resend only
local function count_issued(now, args, refusal)
  local counts = { 'starts|' .. (args.by and 'resent' or 'issued') .. '|' .. args.labels, 1 }
  local guard = args.guard
  if refusal then
    local word, stripped = string.gsub(string.match(refusal.reason, '^%S+'), '^allowed%-', '')
    counts[3], counts[4] =
      'let_through|' .. (stripped == 1 and 'allowed' or guard.mode) .. ':' .. word .. '|' .. args.labels, 1
  end
  if guard and guard.price * guard.counts > 0 then
    counts[#counts + 1], counts[#counts + 2] = 'spent|' .. guard.country, guard.price * guard.counts
  end
  tally(now, 'counts', counts)
end

-- Send a code, unless send_refuses: count it, begin the phone's cooldown, accept the SMS and recall the one before,
-- and keep args.kept.
-- phone, failures, verification: keys
-- args: those of start.lua. Where SMS is not the only channel, also:
--   channels     that the user may ask for
--   tried        channels that were tried
--   asked        those of tried that the start or the user asked for
--   next_after   ms until the first look for another channel, see ../next.lua
--   patience     {least, most} ms to wait for a receipt
-- code:
--   sends        how many SMS in a row this is
--   created_at   when the code was made (ms)
--   expires_at   ms
--   resend_at    ms; none: a new cooldown begins
--   left         attempts left
--   former       key of the verification that this one replaces; none: a resend
--   reference    id of the previous SMS, if it is to be recalled
local function issue(now, phone, failures, verification, args, code)
  local refused, counted, refusal = send_refuses(now, args)
  if refused then
    return refuse(now, args, refused)
  end
  count_issued(now, args, refusal)
  local message, expires_at = args.message, code.expires_at
  local is_new = #args.kept > 0 -- otherwise the code of the previous SMS lives on
  local cooldown = args.cooldowns[math.min(code.sends, #args.cooldowns)] -- the last cooldown repeats
  local resend_at = code.resend_at or now + cooldown
  if not args.instead_of then -- an automatic channel switch leaves the phone's cooldown alone
    redis.call('HSET', phone, 'id', args.id, 'sends', code.sends, 'resend_at', resend_at)
    redis.call('PEXPIRE', phone, math.max(cooldown, args.life) + ESCALATION_KEPT)
  end
  if code.former then
    redis.call('DEL', code.former)
  end
  local called_back
  if code.reference then
    called_back = call_back(now, code.reference, is_new and 'dead' or nil)
    if code.former and code.reference ~= '' then
      tell_story(now, code.reference, 'replaced', '', 0, '')
    end
    local alias = redis.call('HGET', RECORD .. code.reference, 'alias') or ''
    -- Vendors that want to know whether a code was typed are told so for the new SMS only.
    redis.call('ZREM', FEEDBACK .. alias, code.reference)
  end
  if message then
    message.fields.before = not is_new and code.reference or nil
    message.fields.by_itself = args.instead_of and 1 or nil
    accept(now, message, expires_at)
  end
  if args.instead_of then
    -- Once typed, the code counts as verified for the message that was asked for, and for each sent
    -- automatically after it.
    local before = redis.call('HGET', verification, 'guard') or ''
    counted = before == '' and counted or before .. '\n' .. counted
  end
  -- stylua: ignore
  redis.call('HSET', verification, 'reference', message and message.id or '', 'phone', phone, 'failures', failures,
    'created_at', code.created_at, 'expires_at', expires_at, 'resend_at', resend_at, 'guard', counted, unpack(args.kept))
  if args.channels then
    redis.call('HSET', verification, 'channels', args.channels, 'tried', args.tried)
    if not args.instead_of then
      redis.call('HSET', verification, 'asked', args.asked, 'asked_message', message and message.id or '')
    end
  end
  if args.next_after then
    redis.call('HSET', verification, 'patience', table.concat(args.patience, ' '))
    redis.call('ZADD', NEXT_CHANNEL, now + args.next_after, args.id)
    redis.call('PEXPIRE', NEXT_CHANNEL, ESCALATION_KEPT)
  end
  redis.call('PEXPIRE', verification, math.max(expires_at - now, 1))
  if wants_ends() then
    if code.former then
      forget_told(string.sub(code.former, #VERIFICATION + 1)) -- the new verification takes its place
    end
    local of_message = message and message.fields or {}
    local purpose, country = string.match(args.labels, '^([^|]*)|([^|]*)')
    local data = { verification_id = args.id, purpose = purpose, country = country }
    data.channel = channel_of(of_message)
    data.message_id = message and message.id
    local reference, session = unpack(redis.call('HMGET', verification, 'caller_reference', 'session'))
    data.reference, data.session_id = reference or nil, session or nil
    redis.call('ZADD', VERIFICATIONS_END, expires_at, args.id)
    redis.call('HSET', VERIFICATIONS_TOLD, args.id, cjson.encode(data))
    redis.call('PEXPIRE', VERIFICATIONS_END, EVENTS_KEPT)
    redis.call('PEXPIRE', VERIFICATIONS_TOLD, EVENTS_KEPT)
  end
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
