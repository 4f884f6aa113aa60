-- Choose the alias that gets a message now, and note it in the record.
--- @include "pick"
--- @include "note_choice"

-- want: see pick.lua, with
--   hops      aliases of the route in order, with commas between
--   parts     billable segments
--   failed    set of the aliases that have failed in this attempt
--   aliases   those that this worker may call, each with
--     free          it has a slot
--     channel
--     per_message   ms of its rate that a message takes
--     per_segment   ms of its rate that a segment takes
--     well          true: it was neither left out nor over a rate lately; set only if the hub is apart
-- Returns what note_choice.lua returns.
local function choose(now, want)
  want.line = want.record.line
  return note_choice(now, want.id, want.record, pick(now, want))
end
