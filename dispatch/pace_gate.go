package dispatch

import (
	"math"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A gate is the queue of one lane in this process. The first who waits asks for all, so that a process makes one call however many wait.
type gate struct {
	mu     sync.Mutex
	queue  []*waiter     // guarded by mu
	asking bool          // somebody asks for the queue; guarded by mu
	next   uint64        // number of the next question; guarded by mu
	reach  time.Duration // of the pacer
	hold   time.Duration // of the next turns: reach, and more while this machine is late; guarded by mu
	usual  time.Duration // mean time that a turn lasts; guarded by mu
	mean   float64       // units of a message, 0 = unknown; guarded by mu
	sent   meter         // guarded by mu
	cap    float64       // messages a second of the shortest window, 0 = none; guarded by mu

	looked time.Time // when it was last seen whether the lane is slowed; guarded by mu
	slow   bool      // guarded by mu
}

// A waiter waits for one turn.
type waiter struct {
	units int
	wake  chan struct{} // holds one: it was granted a turn, or shall ask
	turn  *turn         // guarded by the gate's mu
	asks  bool          // it asks for the queue; guarded by the gate's mu
	gone  bool          // does not wait any more; guarded by the gate's mu
}

const (
	atOnce  = 100             // turns asked for at once
	maxHold = 2 * time.Second // of a turn on a machine that is late
)

// signal wakes w. It never blocks.
func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// join adds w to those who wait; the first of them shall ask unless somebody does.
func (g *gate) join(w *waiter, rates []Rate, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.wake: // of the turn that it gave back
	default:
	}
	w.turn, w.gone = nil, false
	if first {
		g.queue = slices.Insert(g.queue, 0, w)
	} else {
		g.queue = append(g.queue, w)
	}
	g.cap = perSecond(rates)
	g.appoint()
}

// appoint lets the first ask when nobody does. The caller has mu.
func (g *gate) appoint() {
	if !g.asking && len(g.queue) > 0 {
		g.asking, g.queue[0].asks = true, true
		g.queue[0].signal()
	}
}

// resign lets another ask. The caller has mu.
func (g *gate) resign(w *waiter) {
	if w.asks {
		g.asking, w.asks = false, false
		g.appoint()
	}
}

// granted is the turn of w, nil when it has none.
func (g *gate) granted(w *waiter) *turn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.turn != nil {
		g.resign(w)
	}
	return w.turn
}

// leave takes w out of those who wait. It may have been granted a turn meanwhile.
func (g *gate) leave(w *waiter) *turn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.turn == nil {
		w.gone = true
		g.drop(w)
	}
	g.resign(w)
	return w.turn
}

// drop takes w out of the queue. The caller has mu.
func (g *gate) drop(w *waiter) {
	if i := slices.Index(g.queue, w); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
}

// ahead completes a question for those who wait, and gives them.
func (g *gate) ahead(q *grantOf, process string) []*waiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	asked := slices.Clone(g.queue[:min(len(g.queue), atOnce)])
	q.units = make([]int, len(asked))
	for i, w := range asked {
		q.units[i] = w.units
	}
	g.next++
	q.id, q.hold = process+"."+strconv.FormatUint(g.next, 36), g.hold
	return asked
}

// late says that a turn came too late to be used: this machine or the way to Redis is slow, and turns last longer until it is not.
func (g *gate) late() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold = min(2*g.hold, max(maxHold, g.reach))
}

// inTime says that a turn came in time.
func (g *gate) inTime() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold -= (g.hold - g.reach) / 16
}

// lasts is by how much a window of the provider is longer than its length at present.
func (g *gate) lasts() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.usual*5/4 + 5*time.Millisecond
}

// weigh takes the units of a message into the mean.
func (g *gate) weigh(units int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mean == 0 {
		g.mean = float64(units)
	}
	g.mean += (float64(units) - g.mean) / 16
}

// weights are the units that n messages are likely to have, which nobody knows before they are made.
func (g *gate) weights(n int) []int {
	g.mu.Lock()
	each := max(1, int(math.Ceil(g.mean-0.05)))
	g.mu.Unlock()
	return slices.Repeat([]int{each}, n)
}

func (g *gate) count(now time.Time, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent.add(now, n)
}

// A meter knows how many messages each of the last seconds had.
type meter struct {
	second int64 // Unix time of the present one
	had    [16]int
}

func (m *meter) add(at time.Time, n int) {
	m.turn(at)
	m.had[m.second%int64(len(m.had))] += n
}

// recent is of the second that had most: one in which the lane rested, was slowed or had little to do says nothing of what it can do.
func (m *meter) recent(at time.Time) int {
	m.turn(at)
	return slices.Max(m.had[:])
}

func (m *meter) turn(at time.Time) {
	now, size := at.Unix(), int64(len(m.had))
	if now < m.second || now >= m.second+size {
		m.had = [16]int{}
	} else {
		for s := m.second + 1; s <= now; s++ {
			m.had[s%size] = 0
		}
	}
	m.second = now
}
