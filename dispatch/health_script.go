package dispatch

import (
	"strconv"

	"github.com/redis/go-redis/v9"
)

// healthScript notes what became of attempts on a lane, and answers how the lane is. The moments are by the clocks of the processes, in
// microseconds: a clock that is ahead by a second ends a rest a second early, nothing more.
//
// A closed lane opens when breakerRun faults came with nothing else in between, or when of the outcomes of the last 30 seconds, breakerLeast
// or more, half were faults. While it is open nothing is sent. When that time is over one probe is let through: what the provider answers,
// unless it is a fault, closes the lane; a fault opens it again for twice as long. A paused lane is probed likewise.
//
//	KEYS   odziv:{lane}:health, a hash: state, since, until, code, reason, opens (in a row), print (of the configuration), run (faults in a row),
//	       probe (until then one is under way), and for each 5 seconds «ok:n» and «bad:n»
//	ARGV   now; what: "", "enter", "pause" or "unused"; answers; faults; code; reason; print; length of a pause
//	Output state, since, until, code, reason, print, probe, and 1 when a probe was let through
var healthScript = redis.NewScript( //nolint:gochecknoglobals // a text and its hash, never changed
	`
local key, now, what = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local ok, bad = tonumber(ARGV[3]), tonumber(ARGV[4])
local function str(n) return string.format('%.0f', n) end
local h, list = {}, redis.call('HGETALL', key)
for i = 1, #list, 2 do h[list[i]] = list[i + 1] end
local function set(k, v)
	h[k] = v
	redis.call('HSET', key, k, v)
end
local function forget()
	redis.call('DEL', key)
	h = {}
end
local function rest(state, length, code, reason)
	forget()
	set('state', state)
	set('since', str(now))
	set('until', str(now + length))
	set('code', code)
	set('reason', reason)
end

if h['print'] and ARGV[7] ~= '' and h['print'] ~= ARGV[7] then forget() end -- paused under another configuration
local resting = h['state'] and tonumber(h['until']) > now
local probing = h['state'] and not resting
local opens = tonumber(h['opens'] or 0)
local entered = 0

if what == 'pause' then
	rest('paused', tonumber(ARGV[8]), ARGV[5], ARGV[6])
	if ARGV[7] ~= '' then set('print', ARGV[7]) end
elseif what == 'enter' and probing and tonumber(h['probe'] or 0) <= now then
	set('probe', str(now + ` + micros(probeTime) + `))
	entered = 1
elseif what == 'unused' and probing then
	set('probe', '0')
elseif probing and ok > 0 then
	forget()
elseif (probing and bad > 0) or not h['state'] then
	local slot = math.floor(now / 5000000)
	local run, good, faults = tonumber(h['run'] or 0), 0, 0
	if ok > 0 then
		run = 0
		set('ok:' .. str(slot), str(tonumber(h['ok:' .. str(slot)] or 0) + ok))
	end
	if bad > 0 then
		run = run + bad
		set('bad:' .. str(slot), str(tonumber(h['bad:' .. str(slot)] or 0) + bad))
	end
	if run ~= tonumber(h['run'] or 0) then set('run', str(run)) end
	for k, v in pairs(h) do
		local at = string.match(k, '^%a+:(%d+)$')
		if at then
			if tonumber(at) <= slot - 6 or tonumber(at) > slot + 6 then
				redis.call('HDEL', key, k)
			elseif string.sub(k, 1, 2) == 'ok' then
				good = good + tonumber(v)
			else
				faults = faults + tonumber(v)
			end
		end
	end
	local enough = good + faults >= ` + strconv.Itoa(breakerLeast) + ` and faults >= good
	if bad > 0 and (probing or run >= ` + strconv.Itoa(breakerRun) + ` or enough) then
		local length = math.min(` + micros(openFirst) + ` * 2 ^ math.min(opens, 20), ` + micros(openMost) + `)
		rest('open', length, ARGV[5], ARGV[6])
		set('opens', str(opens + 1))
	end
end
local ttl = 600000
if h['until'] then ttl = ttl + math.max(0, tonumber(h['until']) - now) / 1000 end
redis.call('PEXPIRE', key, str(ttl))
return {h['state'] or '', h['since'] or '', h['until'] or '', h['code'] or '', h['reason'] or '', h['print'] or '', h['probe'] or '', entered}
`)
