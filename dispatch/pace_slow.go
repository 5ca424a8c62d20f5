package dispatch

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// How a lane is slowed: each message that its provider throttles takes its share of the factor, so that a second of which a third is throttled
// halves it, down to 1/64, and a stray one among hundreds hardly counts; without throttling the factor grows by 1/16 a second until the lane is
// as fast as its rates again. The factor is a share of the configured rate of its shortest window, or of what was sent in its fullest second of late when
// that is more: a day's rate says nothing of a second. Were it a share of what was sent alone, a lane that had sent little, because it had been
// restarted or slowed, would be held at that by every stray one.
//
// Sources: D. Chiu, R. Jain: Analysis of the increase and decrease algorithms for congestion avoidance in computer networks, 1989; RFC 8257 §3.3 for
// a decrease by the share of what was refused.
const (
	leastShare   = 64               // the factor is never less than one of these
	recovery     = 16 * time.Second // from 0 to 1
	maxRest      = 24 * time.Hour   // whatever a provider asks for
	slowedStales = 100 * time.Millisecond
)

// slowScript lowers the factor of a lane for one throttled message, to no less than half in a second, and lets it rest.
//
//	KEYS   how the lane is slowed (hash): factor at the moment from; base, messages a second; rest, until then nothing is granted;
//	       top, the factor at the moment last, a second ago at most; since; and «by:process» what each process has sent in its fullest second
//	ARGV   process; what it sent in its fullest second; messages a second of the shortest window or 0; rest in microseconds
//	Output 1
var slowScript = redis.NewScript( //nolint:gochecknoglobals // a text and its hash, never changed
	`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function str(n) return string.format('%.0f', n) end
local old = redis.call('HMGET', KEYS[1], 'factor', 'from', 'rest', 'last', 'top')
local factor, last, rest, top = 1, nil, 0, 1
if old[1] then
	factor = math.min(1, tonumber(old[1]) + math.max(0, now - tonumber(old[2])) / ` + micros(recovery) + `)
	rest, last, top = tonumber(old[3]), tonumber(old[4]), tonumber(old[5])
	if factor >= 1 and rest < now then
		redis.call('DEL', KEYS[1])
		last = nil
	end
end
redis.call('HSETNX', KEYS[1], 'since', str(now))
local mine = tonumber(redis.call('HGET', KEYS[1], 'by:' .. ARGV[1]) or -1)
if tonumber(ARGV[2]) > mine then redis.call('HSET', KEYS[1], 'by:' .. ARGV[1], ARGV[2]) end
local sent, all = 0, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
	if string.sub(all[i], 1, 3) == 'by:' then sent = sent + tonumber(all[i + 1]) end
end
sent = math.max(sent, 1)
local base = math.max(sent, tonumber(ARGV[3]))
if not last or now - last >= 1000000 or now < last then
	top, last = factor, now
end
local share = math.min(1, 2 / math.max(1, math.min(factor * base, sent))) -- twice that of one message in what a second has
factor = math.max(factor * (1 - share), top / 2, 1 / ` + strconv.Itoa(leastShare) + `)
rest = math.max(rest, now + tonumber(ARGV[4]))
redis.call('HSET', KEYS[1], 'factor', string.format('%.17g', factor), 'from', str(math.max(now, rest)), 'base', string.format('%.17g', base),
	'rest', str(rest), 'last', str(last), 'top', string.format('%.17g', top))
redis.call('PEXPIRE', KEYS[1], str((rest - now + ` + micros(recovery) + `) / 1000 + 5000))
return 1
`)

// slow says that the provider throttled a message of the lane, and how long it asks to wait; 0 = it does not say.
func (p *pacer) slow(ctx context.Context, lane string, retryAfter time.Duration) error {
	g := p.gate(lane)
	now := time.Now()
	g.mu.Lock()
	sent, configured := g.sent.recent(now), g.cap
	g.looked, g.slow = now, true
	g.mu.Unlock()
	wait := max(0, min(retryAfter, maxRest)).Microseconds()
	err := slowScript.Run(ctx, p.rdb, []string{slowKey(lane)}, p.id, sent, strconv.FormatFloat(configured, 'g', -1, 64), wait).Err()
	if err != nil {
		return fmt.Errorf("slow lane %s: %w", lane, err)
	}
	return nil
}

// hurry forgets that a lane was slowed.
func (p *pacer) hurry(ctx context.Context, lane string) error {
	g := p.gate(lane)
	g.mu.Lock()
	g.looked = time.Time{}
	g.mu.Unlock()
	if err := p.rdb.Del(ctx, slowKey(lane)).Err(); err != nil {
		return fmt.Errorf("lane %s at full speed: %w", lane, err)
	}
	return nil
}

// slowed reports whether a lane without rates is slowed, as of the last 100 ms; unknown is no.
func (p *pacer) slowed(ctx context.Context, lane string, g *gate) bool {
	now := time.Now()
	g.mu.Lock()
	slow, fresh := g.slow, now.Sub(g.looked) < slowedStales
	if !fresh {
		g.looked = now // others go on with what was known
	}
	g.mu.Unlock()
	if fresh {
		return slow
	}
	n, err := p.rdb.Exists(ctx, slowKey(lane)).Result()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.looked.Equal(now) {
		g.slow = err == nil && n > 0
	}
	return g.slow
}

// A slowness is how a lane is slowed.
type slowness struct {
	factor float64 // 1 = not at all
	since  time.Time
	rest   time.Time // until then nothing is sent; zero = it is
	full   time.Time // when it is at full speed again
}

// slowness reads how a lane is slowed, by the clock of Redis.
func (p *pacer) slowness(ctx context.Context, lane string) (slowness, error) {
	var clock *redis.TimeCmd
	var hash *redis.SliceCmd
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		clock, hash = pipe.Time(ctx), pipe.HMGet(ctx, slowKey(lane), "factor", "from", "rest", "since")
		return nil
	})
	if err != nil {
		return slowness{}, fmt.Errorf("read how lane %s is slowed: %w", lane, err)
	}
	var f slowFields
	if err := hash.Scan(&f); err != nil {
		return slowness{}, fmt.Errorf("read how lane %s is slowed: %w", lane, err)
	}
	now, from := clock.Val(), time.UnixMicro(f.From)
	factor := min(1, f.Factor+max(0, now.Sub(from)).Seconds()/recovery.Seconds())
	if f.Factor == 0 || factor >= 1 {
		return slowness{factor: 1}, nil
	}
	s := slowness{factor: factor, since: time.UnixMicro(f.Since)}
	s.full = now.Add(max(0, from.Sub(now)) + time.Duration((1-factor)*float64(recovery)))
	if rest := time.UnixMicro(f.Rest); rest.After(now) {
		s.rest = rest
	}
	return s, nil
}

type slowFields struct {
	Factor float64 `redis:"factor"`
	From   int64   `redis:"from"`
	Rest   int64   `redis:"rest"`
	Since  int64   `redis:"since"`
}

func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

func slowKey(lane string) string { return laneKey(lane, "slowed") }

// perSecond is the rate of the shortest window in messages a second, 0 when there is none.
func perSecond(rates []Rate) float64 {
	var shortest Rate
	for _, r := range rates {
		if shortest.Per == 0 || r.Per < shortest.Per || r.Per == shortest.Per && r.N < shortest.N {
			shortest = r
		}
	}
	if shortest.Per == 0 {
		return 0
	}
	return float64(shortest.N) / shortest.Per.Seconds()
}
