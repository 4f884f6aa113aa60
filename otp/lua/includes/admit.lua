-- The rules about a send that count over many phones: limits, the puzzle and the guard.
--- @include "limits"
--- @include "count_limits"
--- @include "puzzle"
--- @include "guard"

-- Decide whether a code may be sent, and count it if so.
-- args: limits, puzzle and guard, see start.lua
-- Returns one value if they refuse: {status = 'limited', 'guard' or 'challenge', wait (ms), limit, refusal}.
-- Otherwise three:
--   nil
--   counted   text that guard_verified reads once the code is typed
--   refusal   of the guard, only reported: {wait (ms), reason}. In shadow mode, or where an operator allowed the number.
local function admit(now, args)
  local counted, refusal
  local limit, wait = limits_refuse(now, args.limits)
  if limit then
    return { status = 'limited', wait = wait, limit = limit }
  end
  local share = puzzle_asks(args.puzzle)
  if share and (share == 0 or limits_run_hot(now, args.limits, args.puzzle)) then
    return { status = 'challenge' }
  end
  if args.guard then
    counted, refusal = guard_send(now, args.guard, share)
    if refusal then
      refusal.wait = math.ceil(refusal.wait)
    end
    if not counted then
      if not refusal then -- the guard wants a puzzle solved first
        return { status = 'challenge' }
      end
      return { status = 'guard', wait = refusal.wait, refusal = refusal }
    end
  end
  if args.puzzle and args.puzzle.spent then -- an answer to a puzzle is good for one start
    redis.call('SET', args.puzzle.spent, 1, 'PX', args.puzzle.kept)
  end
  limits_count(now, args.limits)
  return nil, counted or '', refusal
end
