"""The steps of budgets as one script that a Redis runs, each at once and whole. Lua text only: nothing is sent here.

All keys begin with one tag in braces, so that a Redis Cluster keeps them on one node and one script may touch them.
Amounts are added up as whole numbers by HINCRBY; Lua's own numbers, which are exact to 2**53, only compare.

    <root>clock            the last time that was used, by how much it is ahead of the server's, and when it went back
    <root>open, lost       attempts with an open hold, and with one that expired, by the time of that
    <root>hold:<attempt>   what is held for it and in which counters
    <root>w:<window>:<start>:<scope>   settled s0 to s5 and held h0 to h5
"""

from __future__ import annotations

__all__ = ["SCRIPT"]

SCRIPT = """
local a = cjson.decode(ARGV[1])
local root = a.root
local call = redis.call

local t = a.now
if not t then
  local parts = call('TIME')
  t = tonumber(parts[1]) + tonumber(parts[2]) / 1000000
end
local clock = call('HMGET', root .. 'clock', 'last', 'ahead', 'anchor', 'before')
local last, ahead = tonumber(clock[1] or '0'), tonumber(clock[2] or '0')
local now = t
local anchor, before = clock[3] or '', clock[4] or ''
if last - t > a.far_s then
  ahead = 0
else
  local passed = t - (last - ahead)
  if passed < 0 then ahead = last - t else ahead = math.max(ahead - passed / 2, 0) end
  now = math.max(t + ahead, last)
end
local stamp = string.format('%.6f', now)
if now < last then
  anchor, before = stamp, string.format('%.6f', last)
  call('HSET', root .. 'clock', 'last', stamp, 'ahead', '0', 'anchor', anchor, 'before', before)
  -- What was held while the clock was ahead does not hold until the clock is there again.
  local ids = call('ZRANGE', root .. 'open', 0, -1, 'WITHSCORES')
  for i = 1, #ids, 2 do
    local hold, expires = root .. 'hold:' .. ids[i], tonumber(ids[i + 1])
    local created = tonumber(call('HGET', hold, 'created') or stamp)
    local ends = math.min(expires - math.max(created - now, 0), now + a.keep_expired)
    if ends < expires then
      call('ZADD', root .. 'open', string.format('%.6f', ends), ids[i])
      if created > now then call('HSET', hold, 'created', stamp) end
    end
  end
elseif now - last > a.tick_s or (now == last and ahead ~= tonumber(clock[2] or '0')) then
  call('HSET', root .. 'clock', 'last', stamp, 'ahead', string.format('%.6f', ahead))
end

local FIELDS = {'s0', 's1', 's2', 's3', 's4', 's5', 'h0', 'h1', 'h2', 'h3', 'h4', 'h5'}

local function name(c, start) return root .. 'w:' .. c.window .. ':' .. string.format('%d', start) .. ':' .. c.scope end

local function add(key, what, parts, sign)
  for i = 1, #parts do
    if parts[i] ~= '0' then call('HINCRBY', key, what .. (i - 1), sign .. parts[i]) end
  end
end

local function read(attempt)
  local h = call('HMGET', root .. 'hold:' .. attempt, 'state', 'signature', 'created', 'counters', 'parts')
  if not h[1] then return nil end
  return {state = h[1], signature = h[2], created = h[3], counters = cjson.decode(h[4]), parts = cjson.decode(h[5])}
end

local function free(hold)
  for _, key in ipairs(hold.counters) do
    if call('EXISTS', key) == 1 then add(key, 'h', hold.parts, '-') end
  end
end

local function touch(c)
  local key = name(c, c.start)
  if call('EXISTS', key) == 0 or c.lives_on then
    call('HINCRBY', key, 's0', 0)
    if c.keep_until then call('EXPIRE', key, math.max(math.ceil(c.keep_until - now), 1)) end
  end
  return key
end

-- What is due expires first.
while true do
  local due = call('ZRANGEBYSCORE', root .. 'open', '-inf', stamp, 'WITHSCORES', 'LIMIT', 0, 100)
  if #due == 0 then break end
  for i = 1, #due, 2 do
    local hold = read(due[i])
    call('ZREM', root .. 'open', due[i])
    if hold then
      free(hold)
      call('HSET', root .. 'hold:' .. due[i], 'state', 'expired')
      call('ZADD', root .. 'lost', due[i + 1], due[i])
    end
  end
  call('ZREMRANGEBYSCORE', root .. 'lost', '-inf', string.format('%.6f', now - a.keep_expired))
end

local function is_stale()
  if anchor ~= a.anchor then return true end
  for _, c in ipairs(a.counters) do
    if now < c.start or (c.stop and now >= c.stop) then return true end
  end
  return false
end

-- What the window of a counter holds: twelve sums, and where its first slot with anything in it begins.
local function totals(c)
  local sums, oldest = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false
  local function count(start, last)
    while start <= last do
      local found = call('HMGET', name(c, start), unpack(FIELDS))
      local any = 0
      for i = 1, 12 do
        local value = tonumber(found[i] or '0')
        sums[i] = sums[i] + value
        any = any + value
      end
      if any > 0 and not oldest then oldest = start end
      if c.step == 0 then break end
      start = start + c.step
    end
  end
  count(c.since, c.start)
  oldest = oldest or ''
  if c.also then -- the window from which the time went back
    count(c.step == 0 and c.also[2] or math.max(c.also[1], c.start + c.step), c.also[2])
  end
  for i = 1, 12 do sums[i] = string.format('%.0f', sums[i]) end
  sums[13] = oldest == '' and '' or string.format('%d', oldest)
  return sums
end

local steps = {}

function steps.reserve()
  local known = read(a.attempt)
  if known and known.state ~= 'expired' then
    return {'again', stamp, known.created, known.signature}
  end
  if is_stale() then return {'stale', stamp, anchor, before} end
  local found = {}
  for place, check in ipairs(a.checks) do
    local need = tonumber(a.parts[check.column + 1])
    if need > 0 then
      local c = check.counter + 1
      found[c] = found[c] or totals(a.counters[c])
      local used = tonumber(found[c][check.column + 1]) + tonumber(found[c][check.column + 7])
      if used + need > check.limit then return {'refused', stamp, place - 1, found[c]} end
    end
  end
  local keys = {}
  for i, c in ipairs(a.counters) do
    keys[i] = touch(c)
    add(keys[i], 'h', a.parts, '')
  end
  local hold = root .. 'hold:' .. a.attempt
  call('HSET', hold, 'state', 'held', 'signature', a.signature, 'created', stamp,
    'counters', cjson.encode(keys), 'parts', cjson.encode(a.parts))
  call('EXPIRE', hold, math.ceil(a.ttl) + a.keep_expired)
  call('ZADD', root .. 'open', string.format('%.6f', now + a.ttl), a.attempt)
  call('ZREM', root .. 'lost', a.attempt)
  return {'held', stamp}
end

steps['end'] = function()
  local known = read(a.attempt)
  local hold = root .. 'hold:' .. a.attempt
  if not known then
    if now - a.created >= a.keep_ended then return {0, stamp} end
    local keys = {}
    for i, c in ipairs(a.counters) do keys[i] = touch(c) end
    known = {state = 'unknown', counters = keys}
    call('HSET', hold, 'signature', '', 'created', string.format('%.6f', a.created),
      'counters', cjson.encode(keys), 'parts', cjson.encode({'0', '0', '0', '0', '0', '0'}))
  elseif known.state ~= 'held' and known.state ~= 'expired' then
    return {0, stamp}
  end
  if known.state == 'held' then free(known) end
  for _, key in ipairs(known.counters) do
    if call('EXISTS', key) == 1 then add(key, 's', a.parts, '') end
  end
  call('HSET', hold, 'state', a.state)
  call('EXPIRE', hold, a.keep_ended)
  call('ZREM', root .. 'open', a.attempt)
  call('ZREM', root .. 'lost', a.attempt)
  return {1, stamp}
end

function steps.forget()
  local known = read(a.attempt)
  if not known or (known.state ~= 'held' and known.state ~= 'expired') then return {0, stamp} end
  if known.state == 'held' then free(known) end
  call('DEL', root .. 'hold:' .. a.attempt)
  call('ZREM', root .. 'open', a.attempt)
  call('ZREM', root .. 'lost', a.attempt)
  return {1, stamp}
end

function steps.renew()
  local known = read(a.attempt)
  if not known or (known.state ~= 'held' and known.state ~= 'expired') then return {0, stamp} end
  local hold, expires = root .. 'hold:' .. a.attempt, now + a.ttl
  if known.state == 'expired' then
    for _, key in ipairs(known.counters) do
      if call('EXISTS', key) == 1 then add(key, 'h', known.parts, '') end
    end
    call('HSET', hold, 'state', 'held')
    call('ZREM', root .. 'lost', a.attempt)
  else
    expires = math.max(expires, tonumber(call('ZSCORE', root .. 'open', a.attempt) or '0'))
  end
  call('EXPIRE', hold, math.ceil(expires - now) + a.keep_expired)
  call('ZADD', root .. 'open', string.format('%.6f', expires), a.attempt)
  return {1, stamp}
end

function steps.totals()
  if is_stale() then return {'stale', stamp, anchor, before} end
  local found = {}
  for i, c in ipairs(a.counters) do found[i] = totals(c) end
  return {'totals', stamp, found}
end

function steps.unsettled()
  call('ZREMRANGEBYSCORE', root .. 'lost', '-inf', string.format('%.6f', now - a.keep_expired))
  local found = {}
  for _, which in ipairs({'lost', 'open'}) do
    local ids = call('ZRANGE', root .. which, 0, -1, 'WITHSCORES')
    for i = 1, #ids, 2 do
      local hold = read(ids[i])
      if hold then
        found[#found + 1] = {ids[i], hold.created, ids[i + 1], which, cjson.encode(hold.counters), hold.parts}
      end
    end
  end
  return {'unsettled', stamp, found}
end

return steps[a.step]()
"""
