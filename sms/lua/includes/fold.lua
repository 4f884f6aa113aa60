-- The figures of the tally that are read: by hour, by day (UTC) and of all time. See sms.tally.
local TALLY_KEPT = 35 * 86400000 -- ms to keep days and hours
local MOST_FIELDS = 5000 -- of one hash; in new fields beyond this, the open-ended label becomes "other"
local MOST_IN_ALL = 7000 -- in new fields beyond this, all labels do

-- Return the field to count instead of one for which the hash has no room.
local function coarser(key, place, field)
  local open_ends = { -- number of each name's open-ended label: a country, or a vendor's word
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

-- Add to a field. Returns the number of fields in the hash if this one is new, else nil.
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

-- Add the fresh hashes of a family to those of their hour, their day, and all time.
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
