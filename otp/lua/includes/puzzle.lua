-- The puzzle that a start may have to solve first, asked under load. See otp.challenges.altcha.
-- puzzle: nil if there is none, else
--   hot      ask once this share of a limit, or of a cap of the guard, is used; 0: always ask
--   limits   indexes (from 1) of the limits that count for this
--   spent    key that marks this answer as used; set only if the start brought a right answer
--   kept     ms to keep that mark

-- Return the share at which a puzzle is asked for; nil if this start need not solve one.
local function puzzle_asks(puzzle)
  local is_solved = not puzzle or (puzzle.spent and redis.call('EXISTS', puzzle.spent) == 0)
  return not is_solved and puzzle.hot or nil
end

-- Tell whether a limit has used that share of its room. Call limits_refuse first.
local function limits_run_hot(now, limits, puzzle)
  for _, place in ipairs(puzzle.limits) do
    local limit = limits[place]
    local most = limit.at_once or limit.most
    local share = math.max(math.ceil(puzzle.hot * most), 1)
    if limit.at_once then
      if limit.full - now > (share - 1) * limit.takes then
        return true
      end
    elseif limit.used >= share and redis.call('LINDEX', limit.key, share - 1) + limit.window > now then
      return true
    end
  end
  return false
end
