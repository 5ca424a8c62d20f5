package dispatch

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// A called is a turn as a naive model keeps it: every one for ever.
type called struct {
	turn      *turn
	at, until time.Time // granted; when its hold is over
	end       time.Time // given back; zero = not yet
	units     int
	flushes   int // how often Redis had been emptied
}

// over is when the turn counts as given back, false while it is under way.
func (c *called) over(now time.Time) (time.Time, bool) {
	switch {
	case !c.end.IsZero() && c.end.Before(c.until):
		return c.end, true
	case now.Before(c.until):
		return time.Time{}, false
	default:
		return c.until, true
	}
}

// sizeIn is what a message counts in a window.
func sizeIn(r Rate, units int) int {
	if r.Unit == Segments {
		return min(units, r.N)
	}
	return 1
}

// A model is a sliding log of all turns.
type model struct {
	rates   []Rate
	all     []*called
	flushes int
}

// used is what is counted in a window that is longer by extra.
func (m *model) used(r Rate, now time.Time, extra time.Duration) (n int) {
	for _, c := range m.all {
		end, over := c.over(now)
		if c.flushes == m.flushes && (!over || !end.Before(now.Add(-r.Per-extra))) {
			n += sizeIn(r, c.units)
		}
	}
	return n
}

// room is how many of these messages there is room for; coarse allows for entries that share a part of a window.
func (m *model) room(units []int, now time.Time, coarse bool) int {
	free := make([]int, len(m.rates))
	for i, r := range m.rates {
		extra := time.Duration(0)
		if coarse && r.N > parts {
			extra = r.Per / parts
		}
		free[i] = r.N - m.used(r, now, extra)
	}
	for n, u := range units {
		for i, r := range m.rates {
			if free[i] -= sizeIn(r, u); free[i] < 0 {
				return n
			}
		}
	}
	return len(units)
}

// checkArrivals fails when the provider may have seen more than a rate: each message arrived somewhere between its grant and its end.
func (m *model) checkArrivals(t *rapid.T) {
	type arrival struct {
		at      time.Time
		units   int
		flushes int
	}
	for _, r := range m.rates {
		var seen []arrival
		for _, c := range m.all {
			end, over := c.over(c.until)
			if !over {
				end = c.until
			}
			part := rapid.Float64Range(0, 1).Draw(t, "arrives")
			seen = append(seen, arrival{c.at.Add(time.Duration(part * float64(end.Sub(c.at)))), sizeIn(r, c.units), c.flushes})
		}
		slices.SortFunc(seen, func(a, b arrival) int { return a.at.Compare(b.at) })
		for i, a := range seen {
			n, from, to := 0, a.flushes, a.flushes
			for _, b := range seen[i:] {
				if b.at.Sub(a.at) > r.Per {
					break
				}
				n, from, to = n+b.units, min(from, b.flushes), max(to, b.flushes)
			}
			if limit := r.N * (1 + to - from); n > limit { // a window more for each time that Redis was emptied
				t.Fatalf("%d units in %s from %s on; %d are allowed (%d)", n, r.Per, a.at.Format("15:04:05.000000"), limit, r.N)
			}
		}
	}
}

func drawRates(t *rapid.T) (rates []Rate) {
	units := rapid.SampledFrom([]Unit{Messages, Segments})
	rates = append(rates, Rate{rapid.IntRange(1, 12).Draw(t, "n"), time.Second, units.Draw(t, "unit")})
	if rapid.Bool().Draw(t, "two") {
		rates = append(rates, Rate{rapid.IntRange(1, 20).Draw(t, "m"), time.Minute, units.Draw(t, "unit")})
	}
	if rapid.Bool().Draw(t, "many") {
		rates = append(rates, Rate{rapid.IntRange(parts+1, parts+20).Draw(t, "k"), time.Hour, units.Draw(t, "unit")})
	}
	return rates
}

// No window of any length, wherever it begins, ever holds more than its rate allows, whenever a message arrives between its grant and its
// answer; and what a naive sliding log of all turns would grant is granted. Some turns are given back, some are not, Redis is emptied at times.
func TestLaw05RatesAreExact(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	lane := 0
	rapid.Check(t, func(t *rapid.T) {
		lane++
		s := &paceRun{
			T: t, server: server, lane: fmt.Sprint("lane", lane), now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
			processes: []*pacer{newPacer(rdb, nil), newPacer(rdb, nil), newPacer(rdb, nil)}, model: model{rates: drawRates(t)},
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			s.pass(time.Duration(rapid.IntRange(0, 400_000).Draw(t, "µs")) * time.Microsecond)
			switch rapid.IntRange(0, 19).Draw(t, "what") {
			case 0:
				s.model.flushes++
				server.FlushAll()
			case 1:
				s.pass(s.model.rates[rapid.IntRange(0, len(s.model.rates)-1).Draw(t, "window")].Per)
			case 2, 3, 4, 5, 6, 7:
				s.giveBack()
			default:
				s.ask(rapid.SliceOfN(rapid.IntRange(1, 15), 1, 20).Draw(t, "units"))
			}
		}
		s.model.checkArrivals(t)
		s.answersWait()
	})
}

// A paceRun is a model and the script side by side.
type paceRun struct {
	*rapid.T
	server    *miniredis.Miniredis
	processes []*pacer
	lane      string
	now       time.Time
	asked     int
	model     model
}

func (s *paceRun) pass(d time.Duration) {
	s.now = s.now.Add(d)
	s.server.SetTime(s.now)
}

func (s *paceRun) ask(units []int) (got int, wait time.Duration) {
	s.asked++
	p := s.processes[rapid.IntRange(0, len(s.processes)-1).Draw(s.T, "process")]
	q := grantOf{lane: s.lane, count: turnCount, rates: s.model.rates, hold: usualReach, id: fmt.Sprint(s.asked), units: units}
	most, least := s.model.room(q.units, s.now, false), s.model.room(q.units, s.now, true)
	got, wait, err := p.run(context.Background(), q)
	if err != nil {
		s.Fatal(err)
	}
	if got > most || got < least {
		s.Fatalf("question %d at %s: granted %d of %v, want %d to %d", s.asked, s.now.Format("15:04:05.000000"), got, q.units, least, most)
	}
	if longest := s.longest(); (got < len(q.units)) != (wait > 0) || wait > longest {
		s.Fatalf("granted %d of %v, and to ask again in %s", got, q.units, wait)
	}
	for i, u := range q.units[:got] {
		t := &turn{p: p, g: p.gate(s.lane), lane: s.lane, rates: s.model.rates, id: fmt.Sprintf("%s.%d:%d", q.id, i+1, u)}
		s.model.all = append(s.model.all, &called{turn: t, at: s.now, until: s.now.Add(q.hold), units: u, flushes: s.model.flushes})
	}
	return got, wait
}

func (s *paceRun) longest() (d time.Duration) {
	for _, r := range s.model.rates {
		d = max(d, r.Per+time.Millisecond)
	}
	return d
}

// giveBack gives one of the turns back, used or not.
func (s *paceRun) giveBack() {
	var under []*called
	for _, c := range s.model.all {
		if c.end.IsZero() {
			under = append(under, c)
		}
	}
	if len(under) == 0 {
		return
	}
	c := rapid.SampledFrom(under).Draw(s.T, "turn")
	if _, over := c.over(s.now); !over && rapid.IntRange(0, 3).Draw(s.T, "unused") == 0 {
		c.turn.give(context.Background(), 0)
		s.model.all = slices.DeleteFunc(s.model.all, func(o *called) bool { return o == c })
		return
	}
	c.turn.give(context.Background(), 1)
	c.end = s.now
}

// answersWait asks until nothing is granted, and then when it was told to.
func (s *paceRun) answersWait() {
	units := slices.Repeat([]int{rapid.IntRange(1, 15).Draw(s.T, "units")}, 20)
	for range 20 {
		for got := len(units); got == len(units); { // ends: no time passes
			got, _ = s.ask(units)
		}
		s.pass(usualReach) // nothing is under way
		got, wait := s.ask(units[:1])
		if got > 0 {
			continue // older ones left meanwhile
		}
		s.pass(wait)
		if got, _ := s.ask(units[:1]); got == 0 {
			s.Fatalf("nothing granted %s later, as it was told", wait)
		}
		return
	}
}

func TestTakeWithoutRates(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	p := newPacer(rdb, nil)
	if n, _, err := p.take(t.Context(), "lane", nil, make([]int, 7)); n != 7 || err != nil {
		t.Errorf("granted %d, %v; want 7", n, err)
	}
	turn, _, err := p.turn(t.Context(), "lane", nil, 1, 0)
	if turn == nil || err != nil {
		t.Fatalf("no turn, %v", err)
	}
	turn.done(t.Context())
	if keys := server.Keys(); len(keys) != 0 {
		t.Errorf("Redis holds %v", keys)
	}
}

func TestBackoffGrowsAndHasAnEnd(t *testing.T) {
	t.Parallel()
	for tries := range 64 {
		if b := backoff(tries); b < time.Second || b > time.Hour+time.Second {
			t.Errorf("after %d tries %s", tries, b)
		}
	}
}

// Work of a lane that counts segments is taken as large as its messages are, so that no more waits for turns than get any.
func TestTakeInSegments(t *testing.T) {
	t.Parallel()
	p := newPacer(testRedis(t), nil)
	g, rates := p.gate("lane"), []Rate{{N: 12, Per: time.Minute, Unit: Segments}}
	if got := g.weights(2); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("messages of unknown size count %v", got)
	}
	for range 3 {
		turn, _, err := p.turn(t.Context(), "lane", rates, 3, time.Minute)
		if turn == nil || err != nil {
			t.Fatalf("no turn, %v", err)
		}
	}
	n, wait, err := p.take(t.Context(), "lane", rates, g.weights(10))
	if n != 4 || wait == 0 || err != nil {
		t.Errorf("%d taken, %s, %v; want 4 of 3 segments each", n, wait, err)
	}
}

// Only turns fill a long window: what is taken and then held or stopped leaves its room to others.
func TestRoom(t *testing.T) {
	t.Parallel()
	p := newPacer(testRedis(t), nil)
	rates := []Rate{{N: 2, Per: time.Second}, {N: 7, Per: 24 * time.Hour, Unit: Segments}, {N: 5, Per: time.Hour}}
	room := func(units ...int) int {
		n, wait, err := p.room(t.Context(), "lane", rates, units)
		if err != nil || (n < len(units)) != (wait > 0) {
			t.Fatalf("room for %d of %d, %s, %v", n, len(units), wait, err)
		}
		return n
	}
	for range 3 { // looking takes nothing, nor does taking, and short windows do not matter
		if n := room(1, 1, 1, 1, 1, 1); n != 5 {
			t.Errorf("room for %d messages an hour, want 5", n)
		}
		if n := room(3, 3, 3); n != 2 {
			t.Errorf("room for %d messages of 3 segments a day, want 2", n)
		}
		if _, _, err := p.take(t.Context(), "lane", rates, make([]int, 10)); err != nil {
			t.Fatal(err)
		}
	}
	used, _, err := p.turn(t.Context(), "lane", rates, 3, time.Minute)
	if used == nil || err != nil {
		t.Fatalf("no turn, %v", err)
	}
	if n := room(1, 1, 1, 1, 1, 1); n != 4 {
		t.Errorf("room for %d beside the one at the provider, want 4", n)
	}
	if n := room(3, 3); n != 1 {
		t.Errorf("room for %d of 3 segments beside one, want 1", n)
	}
	used.done(t.Context())
	if n := room(3, 3); n != 1 {
		t.Errorf("room for %d of 3 segments after one, want 1", n)
	}
	if n, _, err := p.room(t.Context(), "lane", rates[:1], make([]int, 9)); n != 9 || err != nil {
		t.Errorf("no long window has room for %d of 9, %v", n, err)
	}
}
