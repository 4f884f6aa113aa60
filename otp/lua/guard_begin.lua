-- From here to guard_end.lua stands the guard as one function: making all of its functions would take
-- longer than all else that a check does, and most scripts that may ask it do not.
local function guard_library()
