-- One guess at a verification, shared by verify.lua and heard.lua.
--- @include "attempts"
--- @include "limits"
--- @include "forgive"
--- @include "verified"
--- @include "call_back"
--- @include "story"
--- @include "tally"
--- @include "count_limits"
--- @include "tell_end"
--- @include "end_session"

-- id: of the verification; '' if there is none
-- args:
--   owner     the API key that must own it; none: any
--   by        the field with the digest to compare: by_id, by_phone or by_sms
--   guesses   digests of the guess, one for each secret
--   limits    on wrong guesses, see limits.lua
--   vouched   true: accept without comparing
--   hub       true: limits and the guard are in the hub, see ../settle.lua
-- Returns {status, left, id, purpose, caller_reference (the caller's own), reference (of the SMS), called_back (record
-- of the SMS, if recalled)}. If a limit is reached, nothing is compared: {status = 'limited', wait (ms), limit (index)}.
-- With `hub`, a right guess also returns guards (texts for guard_verified) and session (its id).
local function guess(now, id, args)
  local verification = VERIFICATION .. id
  -- stylua: ignore
  local status, digest, phone, failures, reference, caller_reference, purpose, guard, owner, left_by_id, left_by_phone, session, reverse =
    unpack(redis.call('HMGET', verification, 'status', args.by, 'phone', 'failures', 'reference', 'caller_reference',
      'purpose', 'guard', 'owner', 'left', 'left_by_phone', 'session', 'reverse'))
  local belongs_to_another = args.owner and args.owner ~= owner
  -- The caller who starts a reverse verification knows its code, so only the user's SMS proves anything.
  local is_not_proof = reverse and args.by ~= 'by_sms' and not args.vouched

  local function answered(answer)
    tally(now, 'counts', { 'checks|' .. answer.status .. '|' .. (purpose or '') .. '|' .. (owner or ''), 1 })
    local is_told = answer.status ~= 'expired' and answer.status ~= 'limited'
    if is_told and reference and reference ~= '' then
      local is_approved = args.vouched and answer.status == 'valid'
      tell_story(now, reference, is_approved and 'approved' or 'check_' .. answer.status, '', 0, '')
    end
    return answer
  end

  -- These all answer 'expired': codes that are used or gone, another owner's, and typed reverse codes.
  if status ~= 'pending' and status ~= 'blocked' or belongs_to_another or is_not_proof then
    return answered({ status = 'expired', left = 0, id = id })
  end
  local answer =
    { status = 'blocked', left = 0, id = id, purpose = purpose, caller_reference = caller_reference or nil }
  local left, counted = attempts(args.by, left_by_id, left_by_phone)
  if status == 'blocked' or left <= 0 or tonumber(redis.call('GET', failures) or 0) >= MOST_FAILURES then
    return answered(answer)
  end

  local limit, wait = limits_refuse(now, args.limits)
  if limit then
    return answered({ status = 'limited', wait = wait, limit = limit })
  end

  local final = args.vouched and 'valid' or nil
  for _, guessed in ipairs(args.guesses) do
    final = final or guessed == digest and 'valid'
  end
  if final then
    answer.status, answer.left = 'valid', left - 1
    redis.call('DEL', phone, failures)
    limits_forgive(now, args.limits) -- a right guess takes back one wrong guess
    -- One for the message that was asked for last, and one for each that was sent automatically after it.
    for text in string.gmatch(guard or '', '[^\n]+') do
      if args.hub then
        answer.guards = answer.guards or {}
        table.insert(answer.guards, text)
      else
        guard_verified(now, text)
      end
    end
    answer.session = args.hub and session or nil
  else
    answer.status, answer.left = 'invalid', redis.call('HINCRBY', verification, counted, -1)
    redis.call('INCR', failures)
    redis.call('PEXPIRE', failures, FAILURES_KEPT)
    limits_count(now, args.limits)
    -- Running out of guesses by phone alone does not end the code: it can still be typed by its id.
    final = answer.left <= 0 and counted == 'left' and 'blocked'
  end
  if final then
    -- Keep a tombstone until the code expires, so that its status can be asked for.
    redis.call('HSET', verification, 'status', final)
    if final == 'valid' and session then
      end_session(session, id, redis.call('HGET', verification, 'envelope'), args.hub)
    end
    redis.call('HDEL', verification, 'seed', 'by_id', 'by_phone', 'by_sms', 'envelope', 'guard')
    if reference then
      answer.reference, answer.called_back =
        reference, call_back(now, reference, final == 'valid' and 'typed' or 'dead')
    end
    local known =
      { verification_id = id, purpose = purpose, message_id = reference or nil, session_id = session or nil }
    tell_end(now, id, final == 'valid' and 'verified' or final, final, known)
  end
  return answered(answer)
end
