-- Leave the mark of this installation, unless another's stands.
-- KEYS: mark.  ARGV: ms that it is kept, digests of the installation's seal keys
-- Returns 1, or 0 if none of these digests stands in the mark.
local mark, kept = KEYS[1], ARGV[1]
local digests = { unpack(ARGV, 2) }
local found = redis.call('GET', mark)
local ours = not found
for _, digest in ipairs(digests) do
  ours = ours or string.find(found, digest, 1, true)
end
if not ours then
  return 0
end
redis.call('SET', mark, table.concat(digests, ' '), 'PX', kept)
return 1
