-- The id of the verification that is meant: that of args, or the newest of the phone; '' if there is none.
-- phone, failures: its keys (nil: by id). args: id (none: by phone), older (see carry.lua)
--- @include "carry"
local function meant(args, phone, failures)
  if args.id then
    return args.id
  end
  carry(phone, failures, args.older)
  return redis.call('HGET', phone, 'id') or ''
end
