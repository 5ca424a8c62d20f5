package dispatch

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Unit is what a rate counts.
type Unit string

// The units. The zero value counts messages.
const (
	Messages Unit = ""
	Segments Unit = "segments" // parts of an SMS, as the provider counts them
)

// A pacer grants messages of a lane within its rates, however many processes ask. Redis keeps the count and is the clock: when it is
// emptied, a lane may send at most one window more. Make one with newPacer.
type pacer struct {
	rdb      redis.UniversalClient
	id       string          // of this process among the pacers of a lane
	stopping <-chan struct{} // closed when nobody shall wait any more
	reach    time.Duration   // how long a request may need, from its turn, to come to the provider

	mu    sync.Mutex
	gates map[string]*gate // by lane; guarded by mu
}

func newPacer(rdb redis.UniversalClient, stopping <-chan struct{}) *pacer {
	return &pacer{rdb: rdb, id: rand.Text(), stopping: stopping, reach: usualReach, gates: make(map[string]*gate)}
}

// usualReach is a pacer's reach: pace_script.go says what depends on it.
const usualReach = time.Second

// The two counts of a lane: of work taken from the store, and of turns at the provider.
const (
	workCount = "work"
	turnCount = "turn"
)

// longWindow is the least length of a window that only turns fill. Work that was taken and then held for the night, or stopped, never comes to the
// provider: it must not use up an hour or a day.
const longWindow = 2 * time.Minute

// take answers how many of the wanted messages the lane may take up now: the first n of units. When that is fewer, wait is when to ask
// again. A message larger than a whole window in segments goes alone, when the window is empty. Long windows are a matter of room.
func (p *pacer) take(ctx context.Context, lane string, rates []Rate, units []int) (n int, wait time.Duration, err error) {
	g := p.gate(lane)
	short := slices.DeleteFunc(slices.Clone(rates), Rate.long)
	if len(units) == 0 || len(short) == 0 && !p.slowed(ctx, lane, g) {
		return len(units), 0, nil
	}
	// Work is taken no faster than turns come: a turn lasts as long as its call.
	return p.run(ctx, grantOf{lane: lane, count: workCount, rates: short, units: units, hold: g.lasts()})
}

// room answers for how many of the wanted messages the long windows of a lane have turns at present: the first n of units. When that is fewer, wait is
// when there is another. It takes none.
func (p *pacer) room(ctx context.Context, lane string, rates []Rate, units []int) (n int, wait time.Duration, err error) {
	if len(units) == 0 || !slices.ContainsFunc(rates, Rate.long) {
		return len(units), 0, nil
	}
	return p.run(ctx, grantOf{lane: lane, count: turnCount, rates: rates, units: units, id: lookOnly})
}

func (r Rate) long() bool { return r.Per >= longWindow }

// A grantOf is what takeScript is asked for.
type grantOf struct {
	lane, count string
	rates       []Rate
	units       []int
	hold        time.Duration
	id          string // of turns that will be given back; "" = none will; lookOnly = none is taken, and only long windows matter
}

const lookOnly = "?"

func (p *pacer) run(ctx context.Context, q grantOf) (n int, wait time.Duration, err error) {
	keys, args := scriptWindows(q.lane, q.count, q.rates)
	args = append(args, q.hold.Microseconds(), q.id, len(q.units))
	if q.id != "" || inSegments(q.rates) {
		for _, u := range q.units {
			args = append(args, max(u, 1))
		}
	}
	got, err := takeScript.Run(ctx, p.rdb, keys, args...).Int64Slice()
	if err != nil {
		return 0, 0, fmt.Errorf("rate of lane %s: %w", q.lane, err)
	}
	if len(got) != 2 || got[0] < 0 || got[0] > int64(len(q.units)) {
		return 0, 0, fmt.Errorf("rate of lane %s: the script answered %v", q.lane, got)
	}
	wait = time.Duration(got[1]) * time.Microsecond
	if wait > 0 {
		wait = max(wait, time.Millisecond)
	}
	return int(got[0]), wait, nil
}

// scriptWindows are the keys of a lane and the first arguments of its scripts. All keys of a lane are in one slot of a cluster.
func scriptWindows(lane, count string, rates []Rate) (keys []string, args []any) {
	head := laneKey(lane, count) + ":"
	keys = append(make([]string, 0, 3+len(rates)), slowKey(lane), head+"slowed", head+"turns")
	args = append(make([]any, 0, 8+3*len(rates)), len(rates))
	for _, r := range rates {
		segments := 0
		if r.Unit == Segments {
			segments = 1
		}
		keys = append(keys, head+strconv.FormatInt(r.Per.Microseconds(), 10)+":"+string(r.Unit))
		args = append(args, r.N, r.Per.Microseconds(), segments)
	}
	return keys, args
}

func laneKey(lane, name string) string { return "odziv:{" + lane + "}:" + name }

func inSegments(rates []Rate) bool {
	for _, r := range rates {
		if r.Unit == Segments {
			return true
		}
	}
	return false
}

func (p *pacer) gate(lane string) *gate {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.gates[lane]
	if g == nil {
		g = &gate{reach: p.reach, hold: p.reach}
		p.gates[lane] = g
	}
	return g
}
