-- Addresses: what stays unverified of one, and to how many countries it sends.

-- Countries of an address within a day that nobody has verified, the oldest first: {country, at (ms)}; and the same
-- as a set.
local function read_fan(address, now)
  local fan, known = {}, {}
  for country, at in string.gmatch(get_text(GUARD_FAN .. address) or '', '(%w+):(%d+)') do
    if now - at < DAY then
      fan[#fan + 1] = { country = country, at = tonumber(at) }
      known[country] = true
    end
  end
  return fan, known
end

local function write_fan(address, fan)
  local entries = {}
  for i, entry in ipairs(fan) do
    entries[i] = string.format('%s:%d', entry.country, entry.at)
  end
  if #entries > 0 then
    set_text(GUARD_FAN .. address, table.concat(entries, ' '), DAY)
  else
    delete_text(GUARD_FAN .. address)
  end
end

-- Behind one address there may be many people, of a VPN of many countries: what they verify counts.
local function address_refuses(now, ask)
  if ask.address == '' then
    return nil
  end
  local name, figures = 'ip:' .. ask.address, ask.figures
  local counts = read_counts(GUARD .. name, now, ADDRESS)
  local fan, known = read_fan(ask.address, now)
  if not known[ask.country] and #fan >= figures.countries + verified_within(counts.day, now) then
    return { reason = 'countries ' .. name, wait = fan[1].at + DAY - now }
  end
  local window, wait = first_over(standing(counts, now, figures.ratio), now, figures.address)
  return window and { reason = window .. ' ' .. name, wait = wait }
end

local function add_address(now, ask)
  add_send(GUARD .. 'ip:' .. ask.address, now, ADDRESS, ask.counts)
  local fan, known = read_fan(ask.address, now)
  if ask.counts == 1 and not known[ask.country] then
    fan[#fan + 1] = { country = ask.country, at = now }
  end
  write_fan(ask.address, fan)
end

local function forget_country(address, now, country)
  local kept = {}
  for _, entry in ipairs((read_fan(address, now))) do
    if entry.country ~= country then
      kept[#kept + 1] = entry
    end
  end
  write_fan(address, kept)
end
