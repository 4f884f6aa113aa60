-- The puzzle that a start may have to solve first (otp.challenges.altcha). It is asked for where much goes on.
-- puzzle: hot (the share of a limit, or of a cap of the guard, from which on it is; 0: always), limits (the places of
--         those that can run hot, from 1), and where the right answer was sent along: spent (the key under which it is
--         remembered) and kept (for how many ms). nil: there is none.

-- The share from which on a start is asked for a puzzle; nil where it need not solve any.
local function puzzle_asks(puzzle)
  local is_solved = not puzzle or (puzzle.spent and redis.call('EXISTS', puzzle.spent) == 0)
  return not is_solved and puzzle.hot or nil
end

-- Whether a limit has that share of its room taken; limits_refuse has looked at it.
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
