-- Grants a slot, by the server's clock, when it is near enough; else says how far away it is.
--
-- KEYS  1 log    list of grants, newest first, one entry "<time us>:<token>:<n>" per unit of weight
--       2 pause  nobody is granted anything before this time (us); expires by itself
--       3 born   which log this is, "<us>:<token>": a new one means that the old one was lost, and
--                grants nothing before that time
--       4 pace   how far refusals have slowed us down (see pace.lua)
-- ARGV  1 the log that the caller's own grants are in, '' when it has none to tell
--       2 a token that no other call uses     3 weight, 0 to take grants back only
--       4 how far ahead to reserve (us)     5 how long a new log grants nothing (us)
--       6 '1' when a person waits: the grant may go before those that are reserved already
--       7 how many grants come back unused, then for each of them "<time us>:<token>" and its weight
--       then per window: what may be granted, what to keep, and the window plus margin (us)
-- Reply {1, wait us, time us, born, fits}   granted: wait, look at the pause again, go
--       {0, wait us, again us, born, fits}  too far ahead or paused: nothing is reserved, ask again
--       {-1, 0, 0, born, 0}                 another log: restore your own grants, then ask again
--       fits is the most weight that fits into every window as slowed down; 0 is no answer
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local weight = tonumber(ARGV[3])

local function time_of(entry)
  return entry and tonumber(string.match(entry, '^%d+')) or 0
end

local function time_at(index)
  local entry = redis.call('LINDEX', KEYS[1], index)
  return entry and time_of(entry)
end

local born = redis.call('GET', KEYS[3])
local newest = redis.call('LINDEX', KEYS[1], 0)
local pause = tonumber(redis.call('GET', KEYS[2]) or 0)
if not (born and newest) then
  -- First start, flushed, or restarted empty. Whoever remembers grants puts them back meanwhile.
  local settled = now + tonumber(ARGV[5])
  born = string.format('%.0f', settled) .. ':' .. ARGV[2]
  redis.call('SET', KEYS[3], born)
  if not newest then redis.call('LPUSH', KEYS[1], '0:born') end
  if settled > now and settled > pause then
    pause = settled
    redis.call('SET', KEYS[2], string.format('%.0f', pause),
      'PX', string.format('%.0f', math.ceil((pause - now) / 1000)))
  end
end
-- The pause is for everybody to see; should it get lost, the log itself still knows. A time that is
-- further away is from before the clock was set back.
local settling = time_of(born)
if settling - now <= tonumber(ARGV[5]) then pause = math.max(pause, settling) end
if ARGV[1] ~= '' and ARGV[1] ~= born then return {-1, 0, 0, born, 0} end

local first = 8
for _ = 1, tonumber(ARGV[7]) do
  for n = tonumber(ARGV[first + 1]), 1, -1 do
    redis.call('LREM', KEYS[1], 1, ARGV[first] .. ':' .. n)
  end
  first = first + 2
end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('LPUSH', KEYS[1], '0:born') end
if weight == 0 then return {1, 0, now, born, 0} end

local factor = pace_factor(pace_read(KEYS[4]), now)
local windows, keep, longest, fits = {}, 0, 0, 0
for i = first, #ARGV, 3 do
  local granted = math.max(1, math.floor(tonumber(ARGV[i]) * factor + 1e-9))
  windows[#windows + 1] = {granted = granted, span = tonumber(ARGV[i + 2])}
  fits = fits > 0 and math.min(fits, granted) or granted
  keep = math.max(keep, tonumber(ARGV[i + 1]))
  longest = math.max(longest, tonumber(ARGV[i + 2]))
end

-- The earliest time with `ahead` entries newer than it.
local function earliest(ahead)
  local at = math.max(now, pause)
  for _, window in ipairs(windows) do
    -- With `weight` new entries before it, this one would be one too many within the span. One
    -- that is heavier than a window that was slowed down goes alone in it.
    local oldest = time_at(ahead + math.max(0, window.granted - weight))
    if oldest then at = math.max(at, oldest + window.span) end
  end
  return at
end

-- Whether those that are reserved after `at` keep within their windows with this one before them.
local function leaves_room(at, ahead)
  for _, window in ipairs(windows) do
    for i = math.max(0, ahead - window.granted), ahead - 1 do
      local before = i + window.granted
      before = before < ahead + weight and at or time_at(before - weight)
      if before and time_at(i) - before < window.span then return false end
    end
  end
  return true
end

local ahead, at = 0, nil
if ARGV[6] == '1' then
  while (time_at(ahead) or 0) > now do ahead = ahead + 1 end
  if ahead > 0 then
    at = earliest(ahead)
    if at > time_at(ahead - 1) or not leaves_room(at, ahead) then ahead, at = 0, nil end
  end
end
if not at then at = math.max(earliest(0), time_at(0)) end

local paused, beyond = math.max(0, pause - now), at - now - tonumber(ARGV[4])
-- A pause may still grow, and a new log does not know all grants yet: reserve nothing in it.
if paused > 0 or beyond > 0 then return {0, at - now, math.max(paused, beyond), born, fits} end

local function push(entries)
  for i = 1, #entries, 1000 do
    redis.call('LPUSH', KEYS[1], unpack(entries, i, math.min(i + 999, #entries)))
  end
end

if keep > 0 then
  local entry, entries, reserved = string.format('%.0f', at) .. ':' .. ARGV[2] .. ':', {}, {}
  for n = 1, weight do entries[n] = entry .. n end
  if ahead > 0 then
    local newer = redis.call('LRANGE', KEYS[1], 0, ahead - 1)
    for i = #newer, 1, -1 do reserved[#reserved + 1] = newer[i] end
    redis.call('LTRIM', KEYS[1], ahead, -1)
  end
  push(entries)
  push(reserved)
  -- What is reserved may come back, and then what is in the windows now counts again: it stays.
  redis.call('LTRIM', KEYS[1], 0, keep - 1)
  while time_at(-1) <= now - longest do redis.call('RPOP', KEYS[1]) end
end
return {1, at - now, at, born, fits}
