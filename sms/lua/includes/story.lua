-- The story of a message: what became of it, step by step, kept as long as its record. See sms.history.
local LONGEST_STORY = 100 -- steps

-- what: one word
-- alias: "" if none took part
-- ms: how long it took; 0 if it took no time
-- word: the vendor's, or ours
local function tell_story(now, id, what, alias, ms, word)
  local story = STORY .. id
  local length = redis.call('RPUSH', story, table.concat({ now, what, alias, ms, word }, '|'))
  if length == 1 then
    redis.call('PEXPIRE', story, math.max(redis.call('PTTL', RECORD .. id), 1))
  elseif length > LONGEST_STORY then
    redis.call('RPOP', story)
  end
end
