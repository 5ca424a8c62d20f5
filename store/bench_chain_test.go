package store_test

import (
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// A chain is what dispatch asks of the store for every send, stage by stage.
type chain struct {
	b      *testing.B
	s      *store.Store
	n      int                      // sends made so far
	stages map[string]time.Duration // of the round that neighbours disturbed least
}

// chainSends go through the stages together, chainBatch of them in a task, chainAtOnce of them at the provider.
const (
	chainSends  = 3200
	chainBatch  = 100
	chainAtOnce = 256
)

// stage measures the least processor time of this process; that of PostgreSQL is not in it.
func (c *chain) stage(name string, fn func()) {
	from := cpu(c.b)
	fn()
	used := cpu(c.b) - from
	if least, ok := c.stages[name]; !ok || used < least {
		c.stages[name] = used
	}
}

// each runs fn for the numbers below n, some at once.
func each(n, atOnce int, fn func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				fn(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

func (c *chain) accept() {
	c.b.Helper()
	sends := make([]survey.Send, chainSends)
	for i := range sends {
		sends[i] = newSend(c.n)
		c.n++
	}
	c.stage("accept", func() {
		if _, err := c.s.Accept(c.b.Context(), sends, nil); err != nil {
			c.b.Fatal(err)
		}
	})
}

func (c *chain) dispatch() {
	ctx := c.b.Context()
	fail := func(err error) {
		if err != nil {
			c.b.Error(err)
		}
	}
	const parts = chainSends / chainBatch
	var refs [parts][]survey.Ref
	states := make([]survey.State, chainSends)
	c.stage("take", func() {
		due, err := c.s.Due(ctx, "bot", t0.Add(3*time.Hour), chainSends)
		if err != nil || len(due) != chainSends {
			c.b.Fatalf("%d due: %v", len(due), err)
		}
		each(parts, 4, func(i int) {
			var err error
			refs[i], err = c.s.Take(ctx, "bot", due[i*chainBatch:(i+1)*chainBatch], t0.Add(4*time.Hour))
			fail(err)
		})
	})
	c.stage("load", func() {
		each(parts, 4, func(i int) {
			loaded, err := c.s.Load(ctx, refs[i])
			fail(err)
			copy(states[i*chainBatch:], loaded)
		})
	})
	c.stage("facts", func() {
		each(parts, 4, func(i int) {
			_, err := c.s.Facts(ctx, states[i*chainBatch:(i+1)*chainBatch], nil)
			fail(err)
		})
	})
	d := survey.Decide(&states[0], survey.Facts{}, survey.Policy{Window: survey.Window{From: 540, To: 1200}, Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: time.Hour}}}, t0)
	c.stage("claim", func() {
		each(chainSends, chainAtOnce, func(i int) {
			st := &states[i]
			a := survey.Attempt{
				ID: "att_" + st.Send.ID[4:], Kind: survey.Invitation, Channel: survey.SMS, Sender: "bot",
				Address: st.Send.Recipient.Phone, Segments: 1, Epoch: st.Send.Epoch,
			}
			after, err := c.s.ApplyFrom(ctx, *st, func(st *survey.State) error {
				return survey.Claim(st, a, t0.Add(4*time.Hour), d, nil, t0)
			})
			fail(err)
			states[i] = after
		})
	})
	c.stage("finish", func() {
		each(chainSends, chainAtOnce, func(i int) {
			st := &states[i]
			_, err := c.s.ApplyFrom(ctx, *st, func(st *survey.State) error {
				return survey.Finish(st, st.Attempts[0].ID, survey.Result{ProviderID: "SM" + mixed(st.Send.ID), Segments: 1}, t0)
			})
			fail(err)
		})
	})
}

// mixed is an id in no order, as those of providers are.
func mixed(id string) string {
	b := []byte(id[4:])
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

func (c *chain) report() {
	sum := 0.0
	for name, used := range c.stages {
		each := float64(used.Microseconds()) / chainSends
		c.b.ReportMetric(each, name+"-µs")
		sum += each
	}
	c.b.ReportMetric(sum, "all-µs")
	c.b.ReportMetric(0, "ns/op")
}

// loop measures dispatching, and reports it.
func (c *chain) loop() {
	for c.b.Loop() {
		c.b.StopTimer()
		c.accept()
		c.b.StartTimer()
		c.dispatch()
	}
	c.report()
}

// BenchmarkChain accepts, takes, loads, claims and finishes: processor time by stage, for a send.
func BenchmarkChain(b *testing.B) {
	for _, name := range storetest.Names(b) {
		b.Run(name, func(b *testing.B) {
			c := &chain{b: b, s: storetest.Open(b, name), stages: map[string]time.Duration{}}
			c.loop()
		})
	}
}

// BenchmarkGrowth is BenchmarkChain in a store that has been used: by 10,000 sends, and by ODZIV_BENCH_GROWTH sends when
// it is set, such as 1000000.
func BenchmarkGrowth(b *testing.B) {
	sizes := []int{10_000}
	if n, err := strconv.Atoi(os.Getenv("ODZIV_BENCH_GROWTH")); err == nil {
		sizes = append(sizes, n)
	}
	for _, name := range storetest.Names(b) {
		for _, size := range sizes {
			b.Run(name+"/"+strconv.Itoa(size), func(b *testing.B) {
				c := &chain{b: b, s: storetest.Open(b, name), stages: map[string]time.Duration{}}
				for c.n < size {
					c.accept()
					c.dispatch()
				}
				clear(c.stages)
				c.loop()
			})
		}
	}
}

// BenchmarkDue asks for 100 due sends of a lane, of which all or none are due; see BenchmarkGrowth for the size.
func BenchmarkDue(b *testing.B) {
	sizes := []int{1000}
	if n, err := strconv.Atoi(os.Getenv("ODZIV_BENCH_GROWTH")); err == nil {
		sizes = append(sizes, n)
	}
	for _, name := range storetest.Names(b) {
		for _, size := range sizes {
			s := storetest.Open(b, name)
			for n := 0; n < size; n += 10_000 {
				sends := make([]survey.Send, min(size, 10_000))
				for i := range sends {
					sends[i] = newSend(n + i)
				}
				if _, err := s.Accept(b.Context(), sends, nil); err != nil {
					b.Fatal(err)
				}
			}
			for what, now := range map[string]time.Time{"none": t0, "all": t0.Add(24 * time.Hour)} {
				b.Run(name+"/"+strconv.Itoa(size)+"/"+what, func(b *testing.B) {
					for b.Loop() {
						if _, err := s.DueLanes(b.Context(), now); err != nil {
							b.Fatal(err)
						}
						if _, err := s.Due(b.Context(), "bot", now, 100); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
