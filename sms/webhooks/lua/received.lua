-- Send an event about a message from a user.
-- ARGV: subject (see includes/event.lua), data (JSON)
--- @include "clock"
--- @include "event"
tell_event(clock(), 'message.received', ARGV[1], cjson.decode(ARGV[2]))
