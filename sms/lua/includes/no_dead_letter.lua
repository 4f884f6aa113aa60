-- What no worker could open stands among the dead letters until one can, or it is called back.
local function no_dead_letter(id, record)
  if record.error == 'unsealable' then
    redis.call('ZREM', DEAD, id)
    redis.call('HSET', RECORD .. id, 'error', '')
  end
end
