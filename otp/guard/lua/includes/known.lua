-- Phones that verified within a fortnight: so many sends to them go beyond the caps of their ranges.

-- Of a phone, by its digests under each secret: its key, ms of when it verified, sends to it since then.
local function read_known(now, digests)
  for _, digest in ipairs(digests) do
    local key = GUARD_KNOWN .. digest
    local at, sends = string.match(get_text(key) or '', '^(%d+) (%d+)$')
    if at and now - at < FORTNIGHT then
      return key, tonumber(at), tonumber(sends)
    end
  end
end

local function write_known(key, now, at, sends)
  set_text(key, string.format('%d %d', at, sends), at + FORTNIGHT - now)
end
