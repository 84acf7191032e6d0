-- Grants a slot, by the server's clock, when it is near enough; else says how far away it is.
--
-- KEYS  1 log    list of grants, newest first, one entry "<time us>:<token>:<n>" per unit of weight
--       2 pause  nobody is granted anything before this time (us); expires by itself
--       3 born   which log this is; a new one means that the old one was lost
-- ARGV  1 the log that the caller's own grants are in, '' when it has none to tell
--       2 a token that no other call uses     3 weight     4 how far ahead to reserve (us)
--       5 how long a new log grants nothing (us)
--       6... per window: what may be granted, what to keep, and the window plus margin (us)
-- Reply {1, wait us, time us, born}   granted: wait, look at the pause again, go
--       {0, wait us, again us, born}  too far ahead or paused: nothing is reserved, ask again then
--       {-1, 0, 0, born}              another log: restore your own grants, then ask again
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local weight = tonumber(ARGV[3])

local function time_of(entry)
  return entry and tonumber(string.match(entry, '^%d+')) or 0
end

local born = redis.call('GET', KEYS[3])
local newest = redis.call('LINDEX', KEYS[1], 0)
local pause = tonumber(redis.call('GET', KEYS[2]) or 0)
if not (born and newest) then
  -- First start, flushed, or restarted empty. Whoever remembers grants puts them back meanwhile.
  born = ARGV[2]
  redis.call('SET', KEYS[3], born)
  if not newest then redis.call('LPUSH', KEYS[1], '0:born') end
  local settled = now + tonumber(ARGV[5])
  if settled > now and settled > pause then
    pause = settled
    redis.call('SET', KEYS[2], string.format('%.0f', pause),
      'PX', string.format('%.0f', math.ceil((pause - now) / 1000)))
  end
end
if ARGV[1] ~= '' and ARGV[1] ~= born then return {-1, 0, 0, born} end

local at = math.max(now, pause, time_of(newest))
local keep = 0
for i = 6, #ARGV, 3 do
  local granted, span = tonumber(ARGV[i]), tonumber(ARGV[i + 2])
  -- With `weight` new entries before it, this one would be one too many within the span.
  local oldest = redis.call('LINDEX', KEYS[1], granted - weight)
  if oldest then at = math.max(at, time_of(oldest) + span) end
  keep = math.max(keep, tonumber(ARGV[i + 1]))
end
local paused, beyond = math.max(0, pause - now), at - now - tonumber(ARGV[4])
-- A pause may still grow, and a new log does not know all grants yet: reserve nothing in it.
if paused > 0 or beyond > 0 then return {0, at - now, math.max(paused, beyond), born} end

if keep > 0 then
  local entry = string.format('%.0f', at) .. ':' .. ARGV[2] .. ':'
  local entries = {}
  for i = 1, weight do
    entries[#entries + 1] = entry .. i
    if #entries == 1000 or i == weight then
      redis.call('LPUSH', KEYS[1], unpack(entries))
      entries = {}
    end
  end
  redis.call('LTRIM', KEYS[1], 0, keep - 1)
end
return {1, at - now, at, born}
