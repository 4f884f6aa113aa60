-- Keep our id of a message under the vendor's, in the cell of the vendor's id. See whose.lua.
-- KEYS: key of the vendor's id, key of a receipt that overtook the answer of the call
-- ARGV: our id, ms to keep it
-- Returns that receipt (JSON); '' if none did. It is kept for a retry, as this answer may be lost.
local theirs_key, early_key = KEYS[1], KEYS[2]
local id, kept = ARGV[1], ARGV[2]
local found = redis.call('GET', theirs_key)
if found and string.sub(found, 1, 1) == '{' then
  redis.call('SET', early_key, found, 'PX', 60000)
end
redis.call('SET', theirs_key, id, 'PX', kept)
return redis.call('GET', early_key) or ''
