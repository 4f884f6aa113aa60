-- By what a message reaches its user, for events.

-- record: of the message; it names the channel of the alias that was asked last, or before that of the first one.
local function channel_of(record)
  return record.channel or 'sms' -- a version before knew no other
end
