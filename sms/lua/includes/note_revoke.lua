-- Note that an alias is to take a message back.
local REVOKES_KEPT = 3600000 -- ms: what nobody could be asked for so long is of no use to its user any more

local function note_revoke(now, id, alias)
  local revokes_key = REVOKES .. alias
  redis.call('HSET', RECORD .. id, 'revoked', alias)
  redis.call('ZADD', revokes_key, now, id)
  redis.call('PEXPIRE', revokes_key, REVOKES_KEPT)
end
