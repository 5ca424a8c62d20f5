package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/survey"
)

// A State is how a lane is doing.
type State string

// The states of a lane.
const (
	StateOK     State = "ok"
	StateSlowed State = "slowed" // its provider asked for fewer messages
	StateOpen   State = "open"   // its breaker is open: call after call failed
	StatePaused State = "paused" // its provider refuses it: it rests until somebody looks
)

// An Outcome is what became of one attempt, as far as its lane is concerned.
type Outcome struct {
	Fault     string // survey.FaultNone and so on
	Code      string // the provider's own, "" when it gave none
	Throttled bool   // the provider asked for fewer messages: it is well
}

const (
	breakerRun   = 10              // faults in a row that open a lane
	breakerLeast = 20              // outcomes in 30 seconds of which half must not be faults
	openFirst    = 5 * time.Second // how long a lane is open; twice as long each time that a probe fails
	openMost     = 2 * time.Minute
	pauseTime    = 15 * time.Minute
	probeTime    = 30 * time.Second // after which a probe without an outcome is given up
	healthStales = 100 * time.Millisecond
)

// health knows which lanes may send. Redis shares it between processes; what is known is at most 100 ms old, and the hot path asks nobody.
// When Redis does not know, or is not there, a lane is ok. Make one with newHealth.
type health struct {
	rdb    redis.UniversalClient
	now    func() time.Time
	prints map[string]string // fingerprint of each lane's configuration, "" = unknown
	log    *slog.Logger

	mu    sync.Mutex
	lanes map[string]*laneHealth // guarded by mu
}

// laneHealth is what this process knows of a lane.
type laneHealth struct {
	mu      sync.Mutex
	looked  time.Time // real time; guarded by mu
	known   condition // guarded by mu
	answers int       // not told to Redis yet; guarded by mu
}

// A condition is what Redis knows of a lane.
type condition struct {
	state        State // StateOK, StateOpen or StatePaused
	since, until time.Time
	code, reason string
	probe        time.Time // until then a probe is under way
	entered      bool      // the probe is the caller's
}

func newHealth(rdb redis.UniversalClient, now func() time.Time, prints map[string]string, log *slog.Logger) *health {
	return &health{rdb: rdb, now: now, prints: prints, log: log, lanes: make(map[string]*laneHealth)}
}

// allow answers how many messages of a lane may be taken up now: −1 is no limit; 0 is none before until; any other number are probes, each
// of which still has to enter.
func (h *health) allow(ctx context.Context, lane string) (n int, until time.Time, state State) {
	c := h.look(ctx, lane)
	now := h.now()
	switch {
	case c.state == StateOK:
		return -1, time.Time{}, c.state
	case c.until.After(now):
		return 0, c.until, c.state
	case c.probe.After(now):
		return 0, c.probe, c.state
	default:
		return 1, time.Time{}, c.state
	}
}

// enter reports whether one attempt may be made now; if not, until is when to try again. Of a lane that is tried again after a rest one caller
// enters, and it must note an outcome: survey.FaultNotSent when it made no attempt after all.
func (h *health) enter(ctx context.Context, lane string) (until time.Time, ok bool) {
	n, until, _ := h.allow(ctx, lane)
	switch n {
	case -1:
		return time.Time{}, true
	case 0:
		return until, false
	}
	c := h.tell(ctx, lane, news{what: "enter"})
	if c.state == StateOK || c.entered {
		return time.Time{}, true
	}
	until = c.until
	if c.probe.After(until) {
		until = c.probe
	}
	return until, false
}

// note takes the outcome of an attempt into account.
func (h *health) note(ctx context.Context, lane string, o Outcome) {
	switch {
	case o.Fault == survey.FaultMisconfigured:
		h.tell(ctx, lane, news{what: "pause", code: o.Code, reason: "its provider refuses it: check its credentials and set-up, then resume it"})
	case o.Fault == survey.FaultNotSent:
		if l := h.lane(lane); l.resting() {
			h.tell(ctx, lane, news{what: "unused"})
		}
	case !o.Throttled && (o.Fault == survey.FaultTransient || o.Fault == survey.FaultUnconfirmed):
		h.tell(ctx, lane, news{faults: 1, code: o.Code, reason: "call after call to its provider failed"})
	default: // the provider answered, whatever it thought of the message
		l := h.lane(lane)
		l.mu.Lock()
		l.answers++
		l.mu.Unlock()
		if l.resting() {
			h.tell(ctx, lane, news{})
			return
		}
		h.look(ctx, lane)
	}
}

// resume ends a rest of a lane, for all processes within 100 ms.
func (h *health) resume(ctx context.Context, lane string) error {
	if err := h.rdb.Del(ctx, laneKey(lane, "health")).Err(); err != nil {
		return fmt.Errorf("resume lane %s: %w", lane, err)
	}
	l := h.lane(lane)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.looked = condition{state: StateOK}, time.Now()
	return nil
}

func (h *health) lane(lane string) *laneHealth {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.lanes[lane]
	if l == nil {
		l = &laneHealth{known: condition{state: StateOK}}
		h.lanes[lane] = l
	}
	return l
}

func (l *laneHealth) resting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known.state != StateOK
}

// look gives what is known of a lane; when that is too old one caller asks, and the others go on.
func (h *health) look(ctx context.Context, lane string) condition {
	l := h.lane(lane)
	now := time.Now()
	l.mu.Lock()
	if now.Sub(l.looked) < healthStales {
		defer l.mu.Unlock()
		return l.known
	}
	l.looked = now
	l.mu.Unlock()
	return h.tell(ctx, lane, news{})
}

// news is what Redis is told of a lane.
type news struct {
	what         string // "enter", "pause", "unused", or "" for outcomes
	faults       int
	code, reason string
}

// tell tells Redis, and learns from it. When that fails the lane counts as ok.
func (h *health) tell(ctx context.Context, lane string, n news) condition {
	l := h.lane(lane)
	l.mu.Lock()
	answers := l.answers
	if n.what != "" {
		answers = 0
	}
	l.answers -= answers
	l.looked = time.Now()
	l.mu.Unlock()
	got, err := healthScript.Run(ctx, h.rdb, []string{laneKey(lane, "health")}, h.now().UnixMicro(), n.what, answers, n.faults,
		n.code, n.reason, h.prints[lane], pauseTime.Microseconds()).Slice()
	c := condition{state: StateOK}
	if err == nil {
		c, err = parseCondition(got)
	}
	if err != nil && ctx.Err() == nil {
		h.log.WarnContext(ctx, "health of a sender unknown, taken as ok", "sender", lane, "error", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = c
	return c
}

// parseCondition reads what healthScript answers.
func parseCondition(got []any) (condition, error) {
	ok := condition{state: StateOK}
	if len(got) != 8 {
		return ok, fmt.Errorf("the script of lanes answered %d values; want 8", len(got))
	}
	var f [7]string
	for i := range f {
		f[i], _ = got[i].(string)
	}
	if f[0] == "" {
		return ok, nil
	}
	entered, _ := got[7].(int64)
	c := condition{state: State(f[0]), code: f[3], reason: f[4], entered: entered == 1}
	for i, to := range map[int]*time.Time{1: &c.since, 2: &c.until, 6: &c.probe} {
		if f[i] == "" {
			continue
		}
		at, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return ok, fmt.Errorf("moment of a lane: %w", err)
		}
		*to = time.UnixMicro(at).UTC()
	}
	return c, nil
}
