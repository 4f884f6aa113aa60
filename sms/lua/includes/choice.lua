-- Choose the alias that gets a message now, and note it in the record.
--- @include "pick"
--- @include "note_choice"

-- want: see pick.lua
-- Returns what note_choice.lua returns.
local function choose(now, want)
  want.line = want.record.line
  return note_choice(now, want.id, want.record, pick(now, want))
end
