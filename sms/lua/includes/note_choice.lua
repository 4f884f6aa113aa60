-- Note in a message's record which alias was picked for it.

-- Record that a call begins, so that the message stops waiting.
local function note_call(now, id, record, picked)
  local record_key, alias = RECORD .. id, picked.alias
  if record.line and record.line == picked.line then
    redis.call('HDEL', record_key, 'line')
  end
  if record.turn == alias then
    redis.call('HSET', record_key, 'turn', '')
  end
  local asked = record.asked or ''
  if not string.find(',' .. asked .. ',', ',' .. alias .. ',', 1, true) then
    asked = asked == '' and alias or asked .. ',' .. alias -- receipts of other aliases are not believed
  end
  redis.call('HSET', record_key, 'alias', alias, 'channel', picked.channel, 'calling', alias, 'asked', asked)
  if redis.call('ZREM', WAITING .. record.queue, id) == 1 then
    -- overload.lua estimates waits by how many messages stop waiting in a second.
    local begun_key = DRAINED .. record.queue .. ':' .. math.floor(now / 1000)
    redis.call('INCR', begun_key)
    redis.call('EXPIRE', begun_key, 20)
  end
end

-- picked: as pick.lua returned it; nil: none could be picked
-- apart: true: it was picked in the hub, so its line is there
-- Returns {alias, wait (ms), probe (true if the call is one)}. With a wait, the message stands in that alias's line.
local function note_choice(now, id, record, picked, apart)
  if not picked then
    return nil
  elseif picked.alias ~= '' and picked.wait == 0 then
    note_call(now, id, record, picked)
  else
    if picked.alias ~= '' then
      redis.call('HSET', RECORD .. id, 'turn', picked.alias)
      if not apart then
        redis.call('HSET', RECORD .. id, 'line', picked.line)
      end
    end
    if picked.held_back then -- until it comes back, it is no backlog
      redis.call('ZADD', WAITING .. record.queue, 'XX', now + picked.wait, id)
    end
  end
  return { alias = picked.alias, wait = picked.wait, probe = picked.probe }
end
