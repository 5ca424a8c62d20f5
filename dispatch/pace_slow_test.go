package dispatch

import (
	"math"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// A slowRun is a lane whose clock the test moves.
type slowRun struct {
	*testing.T
	server *miniredis.Miniredis
	p      *pacer
	now    time.Time
	rates  []Rate
}

func newSlowRun(t *testing.T, rates ...Rate) *slowRun {
	t.Helper()
	s := &slowRun{T: t, server: miniredis.RunT(t), now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), rates: rates}
	rdb := redis.NewClient(&redis.Options{Addr: s.server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	s.p = newPacer(rdb, nil)
	s.p.gate("lane").cap = perSecond(rates)
	s.pass(0)
	return s
}

func (s *slowRun) pass(d time.Duration) {
	s.now = s.now.Add(d)
	s.server.SetTime(s.now)
}

// sent makes the lane have sent n messages in the last second.
func (s *slowRun) sent(n int) { s.p.gate("lane").count(time.Now(), n) }

func (s *slowRun) slow(after time.Duration) {
	s.Helper()
	if err := s.p.slow(s.Context(), "lane", after); err != nil {
		s.Fatal(err)
	}
}

// slowAll throttles all that a second has.
func (s *slowRun) slowAll(n int, after time.Duration) {
	s.Helper()
	s.sent(n)
	for range max(n, 1) {
		s.slow(after)
	}
}

func (s *slowRun) factor() float64 {
	s.Helper()
	got, err := s.p.slowness(s.Context(), "lane")
	if err != nil {
		s.Fatal(err)
	}
	return got.factor
}

// in counts what is granted in a time, asked for as it was told to.
func (s *slowRun) in(d time.Duration) (n int) {
	s.Helper()
	for end := s.now.Add(d); s.now.Before(end); {
		got, wait, err := s.p.take(s.Context(), "lane", s.rates, make([]int, 10))
		if err != nil {
			s.Fatal(err)
		}
		n += got
		s.pass(max(wait, time.Millisecond))
	}
	return n
}

func TestFactor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(*slowRun)
		want float64
	}{
		{"never throttled", func(*slowRun) {}, 1},
		{"once", func(s *slowRun) { s.slow(0) }, 1.0 / 2},
		{"many at once count once", func(s *slowRun) {
			for range 20 {
				s.slow(0)
			}
		}, 1.0 / 2},
		{"again a second later", func(s *slowRun) {
			s.slow(0)
			s.pass(time.Second)
			s.slow(0)
		}, (1.0/2 + 1.0/16) / 2},
		{"for ever", func(s *slowRun) {
			s.slow(0)
			for range 50 {
				s.pass(time.Second)
				s.slow(0)
			}
		}, 1.0 / 16}, // what a second adds is what a halving takes
		{"for ever, and told to wait", func(s *slowRun) {
			for range 50 {
				s.slow(2 * time.Second)
				s.pass(time.Second)
			}
		}, 1.0 / 64},
		{"recovers by a sixteenth a second", func(s *slowRun) {
			s.slow(0)
			s.pass(4 * time.Second)
		}, 3.0 / 4},
		{"recovers", func(s *slowRun) {
			s.slow(0)
			s.pass(8 * time.Second)
		}, 1},
		{"recovers after the rest only", func(s *slowRun) {
			s.slow(time.Minute)
			s.pass(time.Minute + 4*time.Second)
		}, 3.0 / 4},
		{"then from the start", func(s *slowRun) {
			s.slow(0)
			s.pass(time.Hour)
			s.slow(0)
		}, 1.0 / 2},
		{"a stray one of many", func(s *slowRun) {
			s.sent(100)
			s.slow(0)
		}, 0.98},
		{"stray ones all the time", func(s *slowRun) {
			s.sent(100)
			for range 60 {
				for range 3 {
					s.slow(0)
				}
				s.pass(time.Second)
			}
		}, 1},
		{"a third of a second", func(s *slowRun) {
			s.sent(100)
			for range 35 {
				s.slow(0)
			}
		}, 1.0 / 2},
		{"Redis emptied", func(s *slowRun) {
			s.slow(time.Minute)
			s.server.FlushAll()
		}, 1},
		{"by hand", func(s *slowRun) {
			s.slow(time.Minute)
			if err := s.p.hurry(s.Context(), "lane"); err != nil {
				s.Fatal(err)
			}
		}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSlowRun(t, Rate{N: 100, Per: time.Second})
			tt.do(s)
			if got := s.factor(); math.Abs(got-tt.want) > 0.001 {
				t.Errorf("factor %.4f; want %.4f", got, tt.want)
			}
		})
	}
}

func TestSlowedLane(t *testing.T) {
	t.Parallel()
	perSecond := []Rate{{N: 64, Per: time.Second}}
	tests := []struct {
		name        string
		rates       []Rate
		sent        int
		after       time.Duration // the provider asks for
		in          time.Duration
		least, most int
	}{
		{"half of its rate", perSecond, 64, 0, time.Second, 28, 34},
		{"half of its rate, though it had sent little", perSecond, 1, 0, time.Second, 28, 34},
		{"as fast as ever in the end", perSecond, 20, 0, 16 * time.Second, 750, 1000},
		{"nothing in the rest", perSecond, 64, time.Minute, time.Minute, 0, 0},
		{"then slowly", perSecond, 64, time.Minute, 61 * time.Second, 28, 34},
		{"a slow lane goes slower", []Rate{{N: 12, Per: time.Minute}}, 1, 0, time.Second, 1, 1},
		{"a day's rate says nothing of a second", append([]Rate{{N: 86400, Per: 24 * time.Hour}}, perSecond...), 64, 0, time.Second, 28, 34},
		{"a day's rate alone: half of what it sent", []Rate{{N: 86400, Per: 24 * time.Hour}}, 40, 0, time.Second, 18, 21},
		{"without rates: half of what it sent", nil, 40, 0, time.Second, 18, 21},
		{"without rates: told to wait", nil, 40, 10 * time.Second, 9 * time.Second, 0, 0},
		{"without rates: hardly anything", nil, 0, 0, 4 * time.Second, 2, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSlowRun(t, tt.rates...)
			s.slowAll(tt.sent, tt.after)
			s.p.gate("lane").looked = time.Now().Add(time.Hour) // known for the length of this test
			if n := s.in(tt.in); n < tt.least || n > tt.most {
				t.Errorf("%d in %s; want %d to %d", n, tt.in, tt.least, tt.most)
			}
		})
	}
}

// Another process, without rates, learns that the lane is slowed; what both had sent is shared between them.
func TestSlowedForAllProcesses(t *testing.T) {
	t.Parallel()
	s := newSlowRun(t)
	s.sent(10)
	two := newPacer(s.p.rdb, nil)
	two.gate("lane").count(time.Now(), 30)
	for range 20 {
		s.slow(0)
		if err := two.slow(t.Context(), "lane", 0); err != nil {
			t.Fatal(err)
		}
	}
	three := newPacer(s.p.rdb, nil)
	n, wait, err := three.take(t.Context(), "lane", nil, make([]int, 100))
	if n != 20 || wait <= 0 || err != nil {
		t.Errorf("granted %d, %s, %v; want half of 40", n, wait, err)
	}
	turn, wait, err := three.turn(t.Context(), "lane", nil, 1, 0)
	if turn == nil || err != nil {
		t.Errorf("no turn, in %s, %v", wait, err)
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	var m meter
	m.add(at, 5)
	m.add(at.Add(900*time.Millisecond), 2)
	m.add(at.Add(3*time.Second), 4) // slowed
	tests := []struct {
		after time.Duration
		want  int
	}{{3 * time.Second, 7}, {15*time.Second + 999*time.Millisecond, 7}, {16 * time.Second, 4}, {18 * time.Second, 4}, {19 * time.Second, 0}, {time.Hour, 0}}
	for _, tt := range tests {
		later := m
		if got := later.recent(at.Add(tt.after)); got != tt.want {
			t.Errorf("%d after %s; want %d", got, tt.after, tt.want)
		}
	}
}

// A lane that has just rested is slowed from what it can do, not from what it did in its rest.
func TestSlowedAfterARest(t *testing.T) {
	t.Parallel()
	s := newSlowRun(t, Rate{N: 64, Per: time.Second})
	g := s.p.gate("lane")
	g.count(time.Now().Add(-3*time.Second), 63)
	s.slowAll(1, 0)
	for range 63 {
		s.slow(0)
	}
	if n := s.in(time.Second); n < 28 || n > 34 {
		t.Errorf("%d in a second; want half of 64", n)
	}
}
