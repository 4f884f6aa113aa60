-- luacheck: ignore 211 (what an operator asks, in report.lua and rule.lua, needs a part of it)
-- The guard's strings in Redis. A start looks at ten of them and writes seven: it fetches them in one call, and none
-- of them twice.
local texts = {} -- by key; false where there is none

local function fetch(keys)
  for i, text in ipairs(redis.call('MGET', unpack(keys))) do
    texts[keys[i]] = text
  end
end

-- The text, false if there is none.
local function get_text(key)
  if texts[key] == nil then
    texts[key] = redis.call('GET', key)
  end
  return texts[key]
end

local function set_text(key, text, ms)
  texts[key] = text
  redis.call('SET', key, text, 'PX', ms)
end

local function delete_text(key)
  texts[key] = false
  redis.call('DEL', key)
end
