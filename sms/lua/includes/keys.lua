-- luacheck: ignore 211 (some of these scripts need a part of it)
-- Keys that are made of two names; sms/names.py makes the same.

-- How an alias does; with a country, in what concerns that country alone.
local function health_key_of(alias, country)
  return HEALTH .. alias .. (country and ':' .. country or '')
end

-- Who waits in a queue for the turn of an alias.
local function line_key_of(alias, queue)
  return LINE .. alias .. ':' .. queue
end
