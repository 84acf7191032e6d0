-- Lets nobody have a grant for a while; never shortens a pause.
--
-- KEYS  2 pause (see grant.lua)     ARGV  1 how long (us)
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local pause = now + tonumber(ARGV[1])
if pause > now and pause > tonumber(redis.call('GET', KEYS[2]) or 0) then
  redis.call('SET', KEYS[2], string.format('%.0f', pause),
    'PX', string.format('%.0f', math.ceil((pause - now) / 1000)))
end
