-- Lets nobody have a grant for a while, never shortening a pause; a refused call slows down as well.
--
-- KEYS  2 pause     4 pace (see grant.lua)
-- ARGV  1 how long (us)     2 how long ago the refused call began (us), '' when none was refused
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local long = tonumber(ARGV[1])
if ARGV[2] ~= '' then
  local pace = pace_read(KEYS[4])
  pace_write(KEYS[4], pace_refused(pace, now, tonumber(ARGV[2]), long), now)
end
if long > 0 and now + long > tonumber(redis.call('GET', KEYS[2]) or 0) then
  redis.call('SET', KEYS[2], string.format('%.0f', now + long),
    'PX', string.format('%.0f', math.ceil(long / 1000)))
end
