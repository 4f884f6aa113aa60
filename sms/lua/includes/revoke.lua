-- Have the messages of a dead code taken back by each alias that has one and can take it back. move.lua does so for
-- an alias that is just being called. Earlier messages brought the same code, so they are included.
-- calls: true: only voice calls that would still say the code
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
