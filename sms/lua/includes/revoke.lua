-- A code is dead: an alias that has a message with it, and can, is to take that back. One that is about to have it: see
-- move.lua. The messages before it brought the same code. calls: only what would still be said aloud.
--- @include "record"
--- @include "note_revoke"
local function revoke(now, id, calls)
  while id do
    local record = read(RECORD .. id)
    local is_meant = not calls or (record.channel == 'voice' and record.state == 'sent')
    if record.state and not record.code_dead and is_meant then
      redis.call('HSET', RECORD .. id, 'code_dead', 1)
      if record.revocable and record.revocable == record.alias then
        note_revoke(now, id, record.alias)
      end
    end
    id = record.before
  end
end
