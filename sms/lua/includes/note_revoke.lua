-- Note that an alias is to take back a message.
local REVOKES_KEPT = 3600000 -- ms; after that, taking it back helps its user no more

local function note_revoke(now, id, alias)
  local revokes_key = REVOKES .. alias
  redis.call('HSET', RECORD .. id, 'revoked', alias)
  redis.call('ZADD', revokes_key, now, id)
  redis.call('PEXPIRE', revokes_key, REVOKES_KEPT)
end
