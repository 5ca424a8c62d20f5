package dispatch

import (
	"strconv"

	"github.com/redis/go-redis/v9"
)

// How the rate is exact.
//
// What the provider counts is the moment at which a message reaches it, and nobody here knows that moment. What is known, all by the one clock
// of Redis: it is not before the turn was granted (g), since the call begins after the grant; and it is not after the provider had answered (e),
// since the turn is given back after the answer. So a turn occupies its windows from g to e + Per, whenever in between the message arrives:
//
//   - granted and not given back: it occupies each window;
//   - given back at e: it occupies a window until e + Per.
//
// A turn is granted when each window has room. Suppose that more than N arrivals fell into one interval shorter than Per. Of those messages
// take the one whose turn was granted last, at g. At that moment the N or more others had been granted before it and there was room, so at least
// one of them had been given back at an e with e + Per < g. It arrived at or before e, the last one at or after g: they are more than Per apart, and not in one
// interval. The argument needs no clock of a process, no assumption about how long a call takes, and holds with any number of processes.
//
// A process may die between grant and answer, and a provider may take half a minute to answer. So a turn that is not given back counts
// as given back when its hold is over: the one assumption is that a request reaches its provider within the hold (reach, 1 s: a new connection
// over TLS may take a third of that). Whoever finds, right before the call, that half of the hold has passed does not call, and asks for another
// turn. A provider that answers within the hold needs no assumption. The price is that a window is as much longer as a call takes, and never by more than the hold.
//
// A window is kept as a list, oldest first, of «moment:units:total», where total counts all units up to and with this entry; what is used is
// the difference of its ends. Up to parts units each moment has its entry, and a window is the naive sliding log. Above that, moments in the same part
// of a window share an entry with the latest of their moments, so that its length is bounded, and it may be longer by one part.
const parts = 128

// scriptHead is common to both scripts: it reads the windows, and takes turns whose hold is over into them.
//
//	KEYS   how the lane is slowed (hash), log of that window, turns under way (sorted set: «id:units» by the end of its hold), a log for each window
//	ARGV   number of windows; of each window N, length in microseconds, 1 when it counts segments; then the script's own
func scriptHead() string {
	return `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function str(n) return string.format('%.0f', n) end
local slowed, turns = KEYS[1], KEYS[3]

local function entry(key, i)
	local e = redis.call('LINDEX', key, i)
	if not e then return nil end
	local at, n, total = string.match(e, '(%d+):(%d+):(%d+)')
	return tonumber(at), tonumber(n), tonumber(total)
end

local function push(w, at, n)
	if n == 0 then return end
	local last, m, total = entry(w.key, -1)
	if not last then
		redis.call('RPUSH', w.key, str(at) .. ':' .. n .. ':' .. n)
	else
		at = math.max(at, last)
		if at == last or (w.part > 0 and math.floor(at / w.part) == math.floor(last / w.part)) then
			redis.call('LSET', w.key, -1, str(at) .. ':' .. str(m + n) .. ':' .. str(total + n))
		else
			redis.call('RPUSH', w.key, str(at) .. ':' .. n .. ':' .. str(total + n))
		end
	end
	redis.call('PEXPIRE', w.key, str(w.per / 1000 + 60000))
end

local function size(w, units)
	if w.segments then return math.min(units, w.max) end
	return 1
end

local function window(key, max, per, segments)
	local part = 0
	if max > ` + strconv.Itoa(parts) + ` then part = per / ` + strconv.Itoa(parts) + ` end
	return {key = key, max = max, per = per, part = part, segments = segments, new = 0}
end

local windows, counted = {}, false
local arg = 2
for i = 1, tonumber(ARGV[1]) do
	windows[i] = window(KEYS[3 + i], tonumber(ARGV[arg]), tonumber(ARGV[arg + 1]), ARGV[arg + 2] == '1')
	counted = counted or windows[i].segments
	arg = arg + 3
end

-- The provider throttled: one more window, of a share of what was sent then. The share grows with time.
local slow = redis.call('HMGET', slowed, 'factor', 'from', 'base', 'rest')
local rest = tonumber(slow[4] or 0)
if slow[1] then
	local factor = tonumber(slow[1]) + math.max(0, now - tonumber(slow[2])) / ` + micros(recovery) + `
	if factor < 1 then
		local rate = factor * tonumber(slow[3])
		local w = window(KEYS[2], math.max(1, math.floor(rate)), 1000000 * math.max(1, 1 / rate), false)
		w.adaptive = true
		windows[#windows + 1] = w
	end
end

-- Turns whose hold is over; and those of a clock that was set back.
local over = redis.call('ZRANGEBYSCORE', turns, '-inf', str(now), 'WITHSCORES')
for i = 1, #over, 2 do
	for _, w in ipairs(windows) do
		push(w, tonumber(over[i + 1]), size(w, tonumber(string.match(over[i], ':(%d+)$'))))
	end
	redis.call('ZREM', turns, over[i])
end
redis.call('ZREMRANGEBYSCORE', turns, str(now + 60000000), '+inf')
`
}

// takeScript grants a prefix of the wanted messages out of every window of a lane at once.
//
//	KEYS   as scriptHead
//	ARGV   as scriptHead; hold in microseconds; id of the turns, "" when they count as given back at the end of the hold, or lookOnly; number
//	       of wanted messages; the units of each, unless no window counts segments
//	Output granted, and microseconds until another may be granted when less than wanted
var takeScript = redis.NewScript( //nolint:gochecknoglobals // a text and its hash, never changed
	scriptHead() + `
local hold, id, want = tonumber(ARGV[arg]), ARGV[arg + 1], tonumber(ARGV[arg + 2])
local look = id == '` + lookOnly + `'
arg = arg + 3

local flying, list = 0, nil
if id ~= '' then
	flying = redis.call('ZCARD', turns)
	if counted and flying > 0 then list = redis.call('ZRANGE', turns, 0, -1) end
end
for _, w in ipairs(windows) do
	local at, n, total = entry(w.key, 0)
	if at and entry(w.key, -1) > now + w.per + 10000000 then -- the clock was set back by more than the window
		redis.call('DEL', w.key)
		at = nil
	end
	while at and at < now - w.per do
		redis.call('LPOP', w.key)
		at, n, total = entry(w.key, 0)
	end
	w.used = 0
	if at then
		local _, _, last = entry(w.key, -1)
		w.used = last - total + n
	end
	if w.segments and list then
		for _, member in ipairs(list) do
			w.used = w.used + size(w, tonumber(string.match(member, ':(%d+)$')))
		end
	else
		w.used = w.used + flying
	end
end

-- free is when as many units may have left the window at the earliest.
local function free(w, units)
	local i, first = 0, nil
	while true do
		local at, n, total = entry(w.key, i)
		if not at then return w.per + 1 end -- what is under way may be given back now
		first = first or total - n
		if total - first >= units then
			local wait = at + w.per + 1 - now
			if w.adaptive then wait = math.min(wait, 1000000) end
			return wait
		end
		i = i + 1
	end
end

local got, wait = 0, 0
if look then
	local long = {}
	for _, w in ipairs(windows) do
		if not w.adaptive and w.per >= ` + micros(longWindow) + ` then long[#long + 1] = w end
	end
	windows = long
elseif rest > now then
	want, wait = 0, rest - now
end
while got < want and wait == 0 do
	local units = tonumber(ARGV[arg + got] or 1)
	for _, w in ipairs(windows) do
		local missing = w.used + size(w, units) - w.max
		if missing > 0 then wait = math.max(wait, free(w, missing)) end
	end
	if wait == 0 then
		for _, w in ipairs(windows) do
			w.used = w.used + size(w, units)
			w.new = w.new + size(w, units)
		end
		got = got + 1
		if id ~= '' and not look then
			redis.call('ZADD', turns, str(now + hold), id .. '.' .. got .. ':' .. units)
		end
	end
end
if look then return {got, math.ceil(wait)} end
if got > 0 and id == '' then
	for _, w in ipairs(windows) do push(w, now + hold, w.new) end
elseif got > 0 then
	redis.call('PEXPIRE', turns, 120000)
end
return {got, math.ceil(wait)}
`)

// giveScript gives turns back: one that was used counts from now on, one that was not never did.
//
//	KEYS   as scriptHead
//	ARGV   as scriptHead; 1 when they were used; the turns
//	Output how many of them were under way
var giveScript = redis.NewScript( //nolint:gochecknoglobals // a text and its hash, never changed
	scriptHead() + `
local n = 0
for i = arg + 1, #ARGV do
	if redis.call('ZREM', turns, ARGV[i]) == 1 then
		n = n + 1
		if ARGV[arg] == '1' then
			for _, w in ipairs(windows) do push(w, now, size(w, tonumber(string.match(ARGV[i], ':(%d+)$')))) end
		end
	end
end
return n
`)
