package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/store/storetest"
)

func testRedis(tb testing.TB) *redis.Client {
	tb.Helper()
	opts, err := redis.ParseURL(storetest.RedisURL(tb))
	if err != nil {
		tb.Fatal(err)
	}
	opts.PoolSize = 64
	rdb := redis.NewClient(opts)
	tb.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// Three processes take turns as fast as they can, by the clock of Redis, which is emptied once. A message arrives somewhere between its
// turn and its answer; no window of the provider ever holds more than its rate, of the turns before Redis was emptied and of those after it
// each, or twice of both. Nothing here depends on how fast the machine is.
func TestLaw05TurnsAreExact(t *testing.T) {
	t.Parallel()
	rdb := testRedis(t)
	rates := []Rate{{N: 7, Per: 50 * time.Millisecond}, {N: 160, Per: 900 * time.Millisecond}, {N: 30, Per: 200 * time.Millisecond, Unit: Segments}}
	type arrival struct {
		at, asked, granted time.Time // granted is some time after it was
		units              int
	}
	var (
		mu               sync.Mutex
		seen             []arrival // guarded by mu
		flushed, emptied time.Time // before and after; guarded by mu
		wg               sync.WaitGroup
	)
	stopping := make(chan struct{})
	for range 3 {
		p := newPacer(rdb, stopping)
		p.reach = 30 * time.Second // a call may last as long as it likes
		for i := range 8 {
			wg.Go(func() {
				for n := range 8 {
					units := 1 + (i+n)%3
					turn, _, err := p.turn(t.Context(), "lane", rates, units, time.Minute)
					if turn == nil || err != nil {
						t.Errorf("no turn, %v", err)
						return
					}
					granted := time.Now()
					at, err := rdb.Time(t.Context()).Result() // the call
					if err != nil {
						t.Error(err)
					}
					turn.done(t.Context())
					mu.Lock()
					seen = append(seen, arrival{at, turn.asked, granted, units})
					if len(seen) == 100 {
						flushed = time.Now()
						if err := rdb.FlushAll(t.Context()).Err(); err != nil {
							t.Error(err)
						}
						emptied = time.Now()
					}
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	if len(seen) != 3*8*8 {
		t.Fatalf("%d turns", len(seen))
	}
	slices.SortFunc(seen, func(a, b arrival) int { return a.at.Compare(b.at) })
	for _, of := range []struct {
		name   string
		times  int // N that one window may hold
		counts func(arrival) bool
	}{
		{"before Redis was emptied", 1, func(a arrival) bool { return a.granted.Before(flushed) }},
		{"after it", 1, func(a arrival) bool { return a.asked.After(emptied) }},
		{"of both", 2, func(arrival) bool { return true }},
	} {
		for _, r := range rates {
			for i, a := range seen {
				n := 0
				for _, b := range seen[i:] {
					if b.at.Sub(a.at) > r.Per {
						break
					}
					if of.counts(b) {
						n += sizeIn(r, b.units)
					}
				}
				if limit := of.times * r.N; n > limit {
					t.Errorf("%d %s in %s, %s; %d are allowed", n, r.Unit, r.Per, of.name, limit)
				}
			}
		}
	}
}

// A turn that is not used is another's, and one that is given back early counts from then on.
func TestTurnsGivenBack(t *testing.T) {
	t.Parallel()
	rdb := testRedis(t)
	p := newPacer(rdb, nil)
	p.reach = 30 * time.Second
	rates := []Rate{{N: 1, Per: 20 * time.Millisecond}}
	first, _, err := p.turn(t.Context(), "lane", rates, 1, time.Minute)
	if first == nil || err != nil {
		t.Fatalf("no turn, %v", err)
	}
	if second, wait, err := p.turn(t.Context(), "lane", rates, 1, time.Millisecond); second != nil || err != nil || wait <= 0 {
		t.Fatalf("second turn %v, in %s, %v; want none while the first is under way", second, wait, err)
	}
	first.cancel(t.Context())
	second, _, err := p.turn(t.Context(), "lane", rates, 1, time.Minute)
	if second == nil || err != nil {
		t.Fatalf("no turn after the first was not used, %v", err)
	}
	second.done(t.Context())
	third, _, err := p.turn(t.Context(), "lane", rates, 1, time.Minute)
	if third == nil || err != nil {
		t.Fatalf("no turn after the second was given back, %v", err)
	}
}

// Who waits for a turn leaves when a shutdown begins, its context ends, or Redis does not answer; the next then asks.
func TestTurnEnds(t *testing.T) {
	t.Parallel()
	rates := []Rate{{N: 1, Per: time.Hour}}
	tests := []struct {
		name string
		end  func(cancel func(), stopping chan struct{}, rdb *redis.Client)
		want error
	}{
		{"shutdown", func(_ func(), stopping chan struct{}, _ *redis.Client) { close(stopping) }, nil},
		{"context", func(cancel func(), _ chan struct{}, _ *redis.Client) { cancel() }, context.Canceled},
		{"Redis gone", func(_ func(), _ chan struct{}, rdb *redis.Client) { _ = rdb.Close() }, redis.ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rdb := testRedis(t)
			stopping := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := newPacer(rdb, stopping)
			if tt.want == redis.ErrClosed { //nolint:errorlint // a name of a case
				tt.end(cancel, stopping, rdb)
			} else if turn, _, err := p.turn(ctx, "lane", rates, 1, 0); turn == nil || err != nil {
				t.Fatalf("no first turn, %v", err)
			}
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					// Patience beyond the window: it would wait.
					if turn, _, err := p.turn(ctx, "lane", rates, 1, 2*time.Hour); turn != nil || !errors.Is(err, tt.want) && err != nil {
						t.Errorf("turn %v, %v; want none, %v", turn, err, tt.want)
					}
				})
			}
			g := p.gate("lane")
			if tt.want != redis.ErrClosed { //nolint:errorlint // likewise
				await(t, func() bool {
					g.mu.Lock()
					defer g.mu.Unlock()
					return len(g.queue) == 5 && g.asking
				})
				tt.end(cancel, stopping, rdb)
			}
			wg.Wait()
			g.mu.Lock()
			defer g.mu.Unlock()
			if len(g.queue) != 0 || g.asking {
				t.Errorf("%d wait, asking %t", len(g.queue), g.asking)
			}
		})
	}
}

func await(tb testing.TB, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatal("never")
		}
	}
}

// A turn that comes when half of its hold has passed is given back, and turns last longer until they come in time.
func TestLateTurnIsNotUsed(t *testing.T) {
	t.Parallel()
	rdb := testRedis(t)
	p := newPacer(rdb, nil)
	p.reach = time.Nanosecond // none comes in time
	turn, _, err := p.turn(t.Context(), "lane", []Rate{{N: 1000, Per: time.Hour}}, 1, time.Minute)
	if turn == nil || err != nil {
		t.Fatalf("no turn, %v", err)
	}
	if turn.hold <= 2*p.reach {
		t.Errorf("holds for %s", turn.hold)
	}
	if n, err := rdb.ZCard(t.Context(), "odziv:{lane}:turn:turns").Result(); n != 1 || err != nil {
		t.Errorf("%d turns under way, %v; want only the one in time", n, err)
	}
}

// All who wait in a process are asked for at once, up to a hundred.
func TestTurnsAskedForAtOnce(t *testing.T) {
	t.Parallel()
	rdb := testRedis(t)
	p := newPacer(rdb, nil)
	q := grantOf{lane: "lane", count: turnCount, rates: []Rate{{N: 500, Per: time.Minute}}}
	if turn, _, err := p.turn(t.Context(), q.lane, q.rates, 1, 0); turn == nil || err != nil { // Redis knows the script
		t.Fatalf("no turn, %v", err)
	}
	calls := &countingHook{}
	rdb.AddHook(calls)
	g := p.gate(q.lane)
	waiting := make([]*waiter, 2*atOnce)
	for i := range waiting {
		waiting[i] = &waiter{units: 1, wake: make(chan struct{}, 1)}
		g.join(waiting[i], q.rates, false)
	}
	if turn, _, err := p.await(t.Context(), g, waiting[0], q, time.Now().Add(time.Minute)); turn == nil || err != nil {
		t.Fatalf("no turn, %v", err)
	}
	for i, w := range waiting {
		if got, asks := w.turn != nil, w.asks; got != (i < atOnce) || asks != (i == atOnce) {
			t.Fatalf("waiter %d: turn %t, asks %t", i, got, asks)
		}
	}
	if calls.n != 1 {
		t.Errorf("%d calls for %d turns", calls.n, atOnce)
	}
}

// A countingHook counts commands.
type countingHook struct {
	mu sync.Mutex
	n  int // guarded by mu
}

func (*countingHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *countingHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.mu.Lock()
		h.n++
		h.mu.Unlock()
		return next(ctx, cmd)
	}
}

func (*countingHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// What Redis keeps of a lane is bounded, however large its windows are.
func TestPaceMemoryIsBounded(t *testing.T) {
	t.Parallel()
	rdb := testRedis(t)
	p := newPacer(rdb, nil)
	rates := []Rate{{N: 100_000, Per: 300 * time.Millisecond}}
	units := make([]int, 3)
	for range 2000 {
		if n, _, err := p.take(t.Context(), "lane", rates, units); n != 3 || err != nil {
			t.Fatalf("granted %d, %v", n, err)
		}
	}
	n, err := rdb.LLen(t.Context(), "odziv:{lane}:work:300000:").Result()
	if n < 1 || n > parts+8 || err != nil {
		t.Errorf("%d entries, %v; want at most %d", n, err, parts+8)
	}
	for _, key := range rdb.Keys(t.Context(), "*").Val() {
		if ttl := rdb.PTTL(t.Context(), key).Val(); ttl <= 0 {
			t.Errorf("%s stays for ever", key)
		}
	}
}

var benchLanes = []struct {
	name  string
	rates []Rate
}{
	{"one window", []Rate{{N: 1_000_000, Per: time.Second}}},
	{"three windows", []Rate{{N: 1_000_000, Per: time.Second}, {N: 50_000_000, Per: time.Minute}, {N: 1 << 40, Per: 24 * time.Hour, Unit: Segments}}},
}

// reportCPU adds what a call of a script costs Redis: steadier than rates on a machine that others use.
func reportCPU(b *testing.B, rdb redis.UniversalClient) {
	b.Helper()
	for line := range strings.SplitSeq(rdb.Info(b.Context(), "commandstats").Val(), "\r\n") {
		if _, rest, ok := strings.Cut(line, "cmdstat_evalsha:"); ok {
			_, rest, _ = strings.Cut(rest, "usec_per_call=")
			number, _, _ := strings.Cut(rest, ",")
			if v, err := strconv.ParseFloat(number, 64); err == nil {
				b.ReportMetric(v, "redis-µs/call")
			}
		}
	}
}

// BenchmarkTake is of work, 1 and 100 messages at once.
func BenchmarkTake(b *testing.B) {
	for _, lane := range benchLanes {
		for _, n := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/%d", lane.name, n), func(b *testing.B) {
				p := newPacer(testRedis(b), nil)
				units := make([]int, n)
				granted := 0
				for b.Loop() {
					got, _, err := p.take(b.Context(), "lane", lane.rates, units)
					if err != nil {
						b.Fatal(err)
					}
					granted += got
				}
				b.ReportMetric(float64(granted)/b.Elapsed().Seconds(), "grants/s")
				reportCPU(b, p.rdb)
			})
		}
	}
}

// BenchmarkTurn is of 64 who take a turn and give it back.
func BenchmarkTurn(b *testing.B) {
	for _, lane := range benchLanes {
		b.Run(lane.name, func(b *testing.B) {
			p := newPacer(testRedis(b), nil)
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					turn, _, err := p.turn(b.Context(), "lane", lane.rates, 1, time.Minute)
					if turn == nil || err != nil {
						b.Errorf("no turn, %v", err)
						return
					}
					turn.done(b.Context())
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "grants/s")
			reportCPU(b, p.rdb)
		})
	}
}

// BenchmarkPlainGCRA is the least that a limiter in Redis does, to compare with: one number, one window, which it exceeds by a burst.
func BenchmarkPlainGCRA(b *testing.B) {
	script := redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local due = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) + tonumber(ARGV[1])
if due - now > tonumber(ARGV[2]) then return due - now - tonumber(ARGV[2]) end
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', 1000)
return 0`)
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			rdb := testRedis(b)
			b.SetParallelism(max(goroutines/2, 1))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := script.Run(b.Context(), rdb, []string{"gcra"}, 1, 1_000_000).Err(); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "grants/s")
			reportCPU(b, rdb)
		})
	}
}
