-- What sms does within a script of ours. Its functions are made where the first of them is called: a code without an
-- SMS does without.
local function outbox()
  --- @include "overload"
  --- @include "accept"
  --- @include "call_back"
  return { overload = overload, accept = accept, call_back = call_back }
end
