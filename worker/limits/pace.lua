-- How fast to go after refusals: the law of pace.py. Put before the scripts that need it.
--
-- The key holds "<level> <low> <since us> <stay s>", as the last refusal left it, and expires when
-- the rate is full again.
local function pace_read(key)
  local text = redis.call('GET', key)
  if not text then return nil end
  local level, low, since, stay = string.match(text, '^(%S+) (%S+) (%S+) (%S+)$')
  return {level = tonumber(level), low = tonumber(low), since = tonumber(since),
    stay = tonumber(stay)}
end

local function pace_factor(pace, now)
  if not pace then return 1 end
  local passed, near, found = (now - pace.since) / 1000000, 0.97 * pace.level, 0
  if passed < 6 then
    found = pace.low + (near - pace.low) * math.max(0, passed) / 6
  else
    local grown = math.max(0, passed - 6 - pace.stay) / 100
    found = near + grown * grown
  end
  return math.min(1, math.max(0.05, found))
end

local function pace_refused(pace, now, age, pause)
  local again = now + pause
  if pace and now - age < pace.since then
    pace.since = math.max(pace.since, again)
    return pace
  end
  local level, stay = pace_factor(pace, now), 10
  if pace and level < 1 and level >= 0.9 * pace.level then stay = math.min(2 * pace.stay, 120) end
  return {level = level, low = math.max(0.05, 0.8 * level), since = again, stay = stay}
end

local function pace_write(key, pace, now)
  local full = (pace.since - now) / 1000 + 1000 * (6 + pace.stay
    + 100 * math.sqrt(math.max(0, 1 - 0.97 * pace.level)))
  redis.call('SET', key, string.format('%.17g %.17g %.0f %.17g', pace.level, pace.low, pace.since,
    pace.stay), 'PX', string.format('%.0f', math.ceil(full)))
end
