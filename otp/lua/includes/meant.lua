-- Return the id of a verification: args.id, or the phone's newest; '' if there is none.
-- phone, failures: keys; nil if found by id
-- args: id (none: by phone), older (see carry.lua)
--- @include "carry"
local function meant(args, phone, failures)
  if args.id then
    return args.id
  end
  carry(phone, failures, args.older)
  return redis.call('HGET', phone, 'id') or ''
end
