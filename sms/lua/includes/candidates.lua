-- Return the aliases of a route that may be asked now, in order. Nil if the route has changed since.
-- want: see pick.lua
local function candidates(want)
  local left, waited_for = {}, want.record.turn
  local is_only = not string.find(want.hops, ',', 1, true)
  for alias in string.gmatch(want.hops, '[^,]+') do
    if not want.aliases[alias] then
      return nil
    end
    -- An alias that may have the message already is asked again only if it is the only one.
    if not want.failed[alias] and (alias ~= want.record.avoid or is_only) then
      -- The alias it waited for goes first. Otherwise those before it in the route would be asked first, and might
      -- fail, each time it comes back.
      table.insert(left, alias == waited_for and 1 or #left + 1, alias)
    end
  end
  return left
end
