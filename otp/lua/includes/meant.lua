-- The id of the verification that is meant: that of args, or the newest of the phone that KEYS name; '' if there is none.
-- args: id (none: by phone), older (see carry.lua)
--- @include "carry"
local function meant(args)
  local phone, failures = KEYS[1], KEYS[2]
  if args.id then
    return args.id
  end
  carry(phone, failures, args.older)
  return redis.call('HGET', phone, 'id') or ''
end
