--- @include "limits"
--- @include "count_limits"
--- @include "guard"
-- Whether one more SMS may be asked for: the limits and the guard, for the scripts that issue a code.

-- The answer to whoever asks, if it is refused: {status = 'limited', wait, limit} or {status = 'guard', wait,
-- refusal}. Then what the guard would refuse for the record alone (shadow, allowed): {wait, reason and scope}.
local function admission_refuses(now, limits, guard)
  local limit, wait = limits_refuse(now, limits)
  if limit then
    return { status = 'limited', wait = wait, limit = limit }
  end
  if not guard then
    return nil
  end
  local refusal = guard_library().refuses(now, guard)
  if not refusal then
    return nil
  end
  guard_library().note(now, refusal)
  local told = { wait = math.ceil(refusal.wait), reason = refusal.reason }
  if guard_library().enforces(guard, refusal) then
    return { status = 'guard', wait = told.wait, refusal = told }
  end
  return nil, told
end

-- Count it. Returns what the guard wants to read when the code is accepted.
local function admission_counts(now, limits, guard)
  limits_count(now, limits)
  return guard and guard_library().sent(now, guard) or ''
end
