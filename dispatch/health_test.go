package dispatch

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/survey"
)

const testLane = "sms"

// A healthRun is two processes that share a lane, and a clock.
type healthRun struct {
	*testing.T
	server *miniredis.Miniredis
	rdb    *redis.Client
	clock  time.Time
	one    *health
	two    *health
}

func newHealthRun(t *testing.T) *healthRun {
	t.Helper()
	r := &healthRun{T: t, server: miniredis.RunT(t), clock: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	r.rdb = redis.NewClient(&redis.Options{Addr: r.server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = r.rdb.Close() })
	r.one, r.two = r.process("a"), r.process("a")
	return r
}

func (r *healthRun) process(config string) *health {
	return newHealth(r.rdb, func() time.Time { return r.clock }, map[string]string{testLane: config}, slog.New(slog.DiscardHandler))
}

// fresh makes a process look at Redis the next time.
func fresh(h *health) *health {
	l := h.lane(testLane)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looked = time.Time{}
	return h
}

// play notes outcomes by both processes in turn: «.» an answer, «x» a fault, «u» unconfirmed, «t» throttled, «r» rejected, «m» misconfigured,
// «n» not sent; «e» enters a probe and fails when it may not; digits pass seconds, as a clock does; spaces mean nothing.
func (r *healthRun) play(script string) {
	r.Helper()
	outcomes := map[rune]Outcome{
		'.': {}, 'x': {Fault: survey.FaultTransient, Code: "500"}, 'u': {Fault: survey.FaultUnconfirmed},
		't': {Fault: survey.FaultTransient, Throttled: true}, 'r': {Fault: survey.FaultRejected},
		'm': {Fault: survey.FaultMisconfigured, Code: "20003"}, 'n': {Fault: survey.FaultNotSent},
	}
	for i, c := range script {
		h := fresh([]*health{r.one, r.two}[i%2])
		switch o, ok := outcomes[c]; {
		case ok:
			h.look(r.Context(), testLane) // as whoever makes an attempt does
			h.note(r.Context(), testLane, o)
			fresh(h).look(r.Context(), testLane)
		case c == 'e':
			if until, ok := h.enter(r.Context(), testLane); !ok {
				r.Fatalf("%q: may not enter at %d before %s", script, i, until)
			}
		case c >= '0' && c <= '9':
			r.clock = r.clock.Add(time.Duration(c-'0') * time.Second)
		}
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	x10 := strings.Repeat("x", 10)
	minute := strings.Repeat("5", 12)
	tests := []struct {
		name   string
		script string
		n      int
		state  State
		rests  time.Duration // from now on; 0 = not
	}{
		{"nothing known", "", -1, StateOK, 0},
		{"answers", "....", -1, StateOK, 0},
		{"nine faults", "xxxxxxxxx", -1, StateOK, 0},
		{"ten faults", x10, 0, StateOpen, 5 * time.Second},
		{"ten of both classes", "xuxuxuxuxu", 0, StateOpen, 5 * time.Second},
		{"an answer in between", "xxxxxxxxx.x", -1, StateOK, 0},
		{"what a provider refuses is an answer", "xxxxxxxxxrxxxxx", -1, StateOK, 0},
		{"throttled is an answer", "xxxxxxxxxtxxxxx", -1, StateOK, 0},
		{"not sent is nothing", "xxxxxnxxxxx", 0, StateOpen, 5 * time.Second},
		{"half of twenty", strings.Repeat(".x", 10), 0, StateOpen, 5 * time.Second},
		{"half of nineteen", strings.Repeat(".x", 9) + ".", -1, StateOK, 0},
		{"less than half", strings.Repeat("..x", 20), -1, StateOK, 0},
		{"half of twenty, too long ago", strings.Repeat("..xx", 4) + "..." + minute + "x", -1, StateOK, 0},
		{"answers long ago do not count", strings.Repeat(".", 40) + minute + strings.Repeat(".x", 10), 0, StateOpen, 5 * time.Second},
		{"half open: one probe", x10 + "5", 1, StateOpen, 0},
		{"half open: none while it is under way", x10 + "5e", 0, StateOpen, 30 * time.Second},
		{"half open: another when it never ended", x10 + "5e" + "555555", 1, StateOpen, 0},
		{"half open: another when it was not used", x10 + "5en", 1, StateOpen, 0},
		{"a probe answers", x10 + "5e.", -1, StateOK, 0},
		{"a probe is throttled", x10 + "5et", -1, StateOK, 0},
		{"a probe fails", x10 + "5ex", 0, StateOpen, 10 * time.Second},
		{"the second fails", x10 + "5ex55ex", 0, StateOpen, 20 * time.Second},
		{"no more than two minutes", x10 + "5ex" + strings.Repeat(minute+minute+"ex", 8), 0, StateOpen, 2 * time.Minute},
		{"then from the start", x10 + "5ex55e." + x10, 0, StateOpen, 5 * time.Second},
		{"who was under way when it opened", x10 + ".x.x", 0, StateOpen, 5 * time.Second},
		{"misconfigured", "m", 0, StatePaused, 15 * time.Minute},
		{"misconfigured beats open", x10 + "m", 0, StatePaused, 15 * time.Minute},
		{"answers do not end a pause", "m..", 0, StatePaused, 15 * time.Minute},
		{"after a pause one probe", "m" + strings.Repeat(minute, 15), 1, StatePaused, 0},
		{"still misconfigured", "m" + strings.Repeat(minute, 15) + "em", 0, StatePaused, 15 * time.Minute},
		{"mended", "m" + strings.Repeat(minute, 15) + "e.", -1, StateOK, 0},
		{"mended, and down", "m" + strings.Repeat(minute, 15) + "ex", 0, StateOpen, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newHealthRun(t)
			r.play(tt.script)
			for name, h := range map[string]*health{"one": fresh(r.one), "two": fresh(r.two)} {
				n, until, state := h.allow(t.Context(), testLane)
				if n != tt.n || state != tt.state || tt.rests > 0 && !until.Equal(r.clock.Add(tt.rests)) {
					t.Errorf("process %s: %d, %s, rests for %s; want %d, %s, %s", name, n, state, until.Sub(r.clock), tt.n, tt.state, tt.rests)
				}
			}
		})
	}
}

// Of two processes that see a lane half open only one probes it.
func TestBreakerProbesOnce(t *testing.T) {
	t.Parallel()
	r := newHealthRun(t)
	r.play("xxxxxxxxxx5")
	for _, h := range []*health{r.one, r.two} {
		if n, _, _ := fresh(h).allow(t.Context(), testLane); n != 1 {
			t.Fatalf("%d probes", n)
		}
	}
	entered := 0
	for range 3 { // by what they know from before
		for _, h := range []*health{r.one, r.two} {
			if _, ok := h.enter(t.Context(), testLane); ok {
				entered++
			}
		}
	}
	if entered != 1 {
		t.Errorf("%d probes entered", entered)
	}
}

func TestPauseEnds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(*healthRun) *health
		want State
	}{
		{"not by itself", func(r *healthRun) *health { return r.two }, StatePaused},
		{"not by a restart", func(r *healthRun) *health { return r.process("a") }, StatePaused},
		{"not by who does not know the configuration", func(r *healthRun) *health { return r.process("") }, StatePaused},
		{"by another configuration", func(r *healthRun) *health { return r.process("b") }, StateOK},
		{"by hand, for all", func(r *healthRun) *health {
			if err := r.one.resume(r.Context(), testLane); err != nil {
				r.Fatal(err)
			}
			return r.two
		}, StateOK},
		{"by emptying Redis", func(r *healthRun) *health {
			r.server.FlushAll()
			return r.two
		}, StateOK},
		{"by the end of Redis", func(r *healthRun) *health {
			r.server.Close()
			return r.two
		}, StateOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newHealthRun(t)
			r.play("m")
			h := tt.end(r)
			if _, _, state := fresh(h).allow(t.Context(), testLane); state != tt.want {
				t.Errorf("%s; want %s", state, tt.want)
			}
		})
	}
}

// A lane that is ok asks Redis ten times a second at most.
func TestHealthCostsNothing(t *testing.T) {
	t.Parallel()
	r := newHealthRun(t)
	r.one.look(t.Context(), testLane)
	l := r.one.lane(testLane)
	l.mu.Lock()
	l.looked = time.Now().Add(time.Hour) // fresh for the length of this test
	l.mu.Unlock()
	before := r.server.CommandCount()
	for range 1000 {
		if _, ok := r.one.enter(t.Context(), testLane); !ok {
			t.Fatal("may not enter")
		}
		r.one.note(t.Context(), testLane, Outcome{})
	}
	if n := r.server.CommandCount() - before; n != 0 {
		t.Errorf("%d commands", n)
	}
}

func TestLaneState(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	ok := condition{state: StateOK}
	paused := condition{state: StatePaused, since: now.Add(-time.Minute), until: now.Add(time.Minute), code: "20003", reason: "refused"}
	tests := []struct {
		name string
		c    condition
		s    slowness
		want survey.LaneState
	}{
		{"ok", ok, slowness{factor: 1}, survey.LaneState{State: "ok", Factor: 1}},
		{
			"slowed", ok,
			slowness{factor: 0.5, since: now, full: now.Add(8 * time.Second)},
			survey.LaneState{State: "slowed", Reason: "its provider asked for fewer messages", Since: now, Until: now.Add(8 * time.Second), Factor: 0.5},
		},
		{
			"told to wait", ok,
			slowness{factor: 0.5, since: now, rest: now.Add(time.Minute), full: now.Add(68 * time.Second)},
			survey.LaneState{State: "slowed", Reason: "its provider asked to wait", Since: now, Until: now.Add(time.Minute), Factor: 0.5},
		},
		{
			"paused and slowed", paused,
			slowness{factor: 0.5, since: now},
			survey.LaneState{State: "paused", Reason: "refused", Code: "20003", Since: paused.since, Until: paused.until, Factor: 0.5},
		},
		{
			"tried again",
			condition{state: StateOpen, until: now, reason: "down"},
			slowness{factor: 1},
			survey.LaneState{State: "open", Reason: "down; being tried again", Until: now, Factor: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.want.Name = testLane
			if diff := cmp.Diff(tt.want, laneState(testLane, tt.c, tt.s, now)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
