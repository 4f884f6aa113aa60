-- Return the channel of a message, for events.

-- record: of the message. It names the channel of the last alias asked, or of the first alias before any was.
local function channel_of(record)
  return record.channel or 'sms' -- the previous version knew only SMS
end
