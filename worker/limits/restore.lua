-- Puts a caller's own grants back into a log that may have lost them; those still there stay single.
--
-- KEYS  1 log     3 born (see grant.lua)
-- ARGV  1 how many entries to keep     2... entries
-- Reply which log this is now, '' when there is none: then the next grant begins one. Entries that
-- were put into a lost log would hide from others that theirs are missing.
local born = redis.call('GET', KEYS[3])
if not born or redis.call('EXISTS', KEYS[1]) == 0 then return '' end

local function time_of(entry)
  return tonumber(string.match(entry, '^%d+'))
end

local entries, known = redis.call('LRANGE', KEYS[1], 0, -1), {}
for _, entry in ipairs(entries) do known[entry] = true end
for i = 2, #ARGV do
  if not known[ARGV[i]] then
    known[ARGV[i]] = true
    entries[#entries + 1] = ARGV[i]
  end
end
table.sort(entries, function(a, b) return time_of(a) > time_of(b) end)

redis.call('DEL', KEYS[1])
for first = 1, math.min(#entries, tonumber(ARGV[1])), 1000 do
  local last = math.min(#entries, tonumber(ARGV[1]), first + 999)
  redis.call('RPUSH', KEYS[1], unpack(entries, first, last))
end
return born
