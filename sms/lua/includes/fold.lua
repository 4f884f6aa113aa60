-- The figures of the tally that are read: of each hour, of each day (UTC), and of all time. See sms.tally.
local TALLY_KEPT = 35 * 86400000 -- ms that days and hours are kept
local MOST_FIELDS = 5000 -- of one hash: of a field more the label with open ends becomes "other"
local MOST_IN_ALL = 7000 -- and of one more than that all labels

-- Where to count instead of a field for which the hash has no room.
local function coarser(key, place, field)
  local open_ends = { -- which label of a name: a country, or a vendor's word
    counts = {
      starts = 3,
      let_through = 3,
      spent = 1,
      verified = 2,
      messages = 3,
      calls = 3,
      receipts = 3,
      left_out = 2,
    },
    words = { call = 3, receipt = 3 },
    times = {},
  }
  local name = string.match(field, '^[^|]*')
  local open = open_ends[place][name]
  if open then
    field = string.gsub(field, '^(' .. string.rep('[^|]*|', open) .. ')[^|]*', '%1other')
  end
  if redis.call('HLEN', key) < MOST_IN_ALL or redis.call('HEXISTS', key, field) == 1 then
    return field
  end
  return name .. '|other'
end

-- Add to a field. Returns how many fields the hash has if this one is new.
local function add(key, place, field, by)
  if redis.call('HINCRBY', key, field, by) ~= by then
    return nil
  end
  local fields = redis.call('HLEN', key)
  if fields > MOST_FIELDS then
    redis.call('HDEL', key, field)
    redis.call('HINCRBY', key, coarser(key, place, field), by)
  end
  return fields
end

-- Add what fresh hashes of a family hold to those of their hour, of their day, and of all time.
local function fold(place)
  local hours = TALLY .. place .. ':fresh'
  for _, hour in ipairs(redis.call('SMEMBERS', hours)) do
    local fresh = TALLY .. place .. ':fresh:' .. hour
    local fields = redis.call('HGETALL', fresh)
    local of_hour = TALLY .. place .. ':hour:' .. hour
    local of_day = TALLY .. place .. ':day:' .. math.floor(hour / 24)
    for _, key in ipairs({ TALLY .. place .. ':all', of_day, of_hour }) do
      for i = 1, #fields, 2 do
        add(key, place, fields[i], tonumber(fields[i + 1]))
      end
    end
    redis.call('PEXPIRE', of_day, TALLY_KEPT)
    redis.call('PEXPIRE', of_hour, TALLY_KEPT)
    redis.call('DEL', fresh)
  end
  redis.call('DEL', hours)
end
