-- Whether one more SMS may be asked for: the limits and the guard, for the scripts that issue a code.

-- What the tails of KEYS and ARGV hold: keys of the limits, then those of the guard; the same of values.
local function admission(first_key, first_value, limits)
  local guard_key, guard_value = first_key + limits, first_value + 3 * limits
  return {
    limits = slice(KEYS, first_key, limits),
    limits_values = slice(ARGV, first_value, 3 * limits),
    guard = slice(KEYS, guard_key, #KEYS - guard_key + 1),
    guard_values = slice(ARGV, guard_value, #ARGV - guard_value + 1),
  }
end

-- nil, or {limited, ms to wait, index of the limit} or {guard, ms to wait, "<reason> <scope>"}. What the
-- guard says only for the record (shadow, allowed) stands in asked.refusal.
local function admission_refuses(now, asked)
  local index, wait = limits_refuse(now, asked.limits, asked.limits_values)
  if index then
    return {'limited', wait, index - 1}
  end
  if asked.guard_values[1] == 'off' then
    return nil
  end
  asked.library = guard_library()
  local refusal = asked.library.refuses(now, asked.guard, asked.guard_values)
  if refusal then
    asked.library.note(now, refusal)
    asked.refusal = {math.ceil(refusal[2]), refusal[1]}
    return asked.library.enforces(asked.guard_values, refusal) and {'guard', unpack(asked.refusal)} or nil
  end
end

-- Count it; returns what the guard wants to know when it is verified or taken back.
local function admission_counts(now, asked)
  limits_count(now, asked.limits, asked.limits_values)
  return asked.library and asked.library.sent(now, asked.guard, asked.guard_values) or ''
end
