-- Return until when an alias must not be asked (ms), whether it needs a probe then, and until when a probe runs (ms).
local function left_out(health_key)
  local open_until, retry_at, probe_until =
    unpack(redis.call('HMGET', health_key, 'open_until', 'hold_until', 'probe_until'))
  open_until = tonumber(open_until or 0)
  return math.max(open_until, tonumber(retry_at or 0)), open_until > 0, tonumber(probe_until or 0)
end
