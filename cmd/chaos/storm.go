package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// clients of the API at once.
const clients = 16

// A blow is something that the storm does at a moment.
type blow struct {
	at   time.Duration
	what string
	do   func(ctx context.Context) error
}

// storm puts all orders in while everything is broken.
func (w *world) storm(ctx context.Context) error {
	all := orders(w.number, w.chance)
	load, over := context.WithCancel(ctx)
	defer over()
	w.load, w.whole = load, ctx
	for _, o := range all {
		if o.kind != again {
			w.byPhone[o.phone] = o
		}
	}
	for _, o := range all {
		if o.kind == suppressed {
			if err := w.suppress(ctx, o); err != nil {
				return err
			}
		}
	}
	busy := w.busy()
	w.say("%d orders over %s, %d kills, %d FLUSHALL", len(all), (busy / 2).Round(time.Second), w.kills, w.flushes)
	start := time.Now()
	var group errgroup.Group
	calls := make(chan ask)
	for range clients {
		group.Go(func() error {
			for a := range calls {
				if err := w.ask(ctx, a); err != nil {
					return err
				}
			}
			return nil
		})
	}
	planned, blows := asks(all, busy/2, w.chance), w.blows(busy)
	group.Go(func() error {
		defer close(calls)
		for _, a := range planned {
			if !rest(ctx, time.Until(start.Add(a.at))) {
				return context.Cause(ctx)
			}
			select {
			case calls <- a:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	group.Go(func() error { return w.strike(ctx, start, blows) })
	if err := group.Wait(); err != nil {
		return err
	}
	defer func() { w.say("the storm is over after %s", time.Since(start).Round(time.Second)) }()
	if err := w.calm(ctx); err != nil {
		return err
	}
	over()
	// Who has asked wants the answer.
	return w.await(ctx, "what people began is over", time.Minute, func() bool { return w.people.Load() == 0 })
}

// calm waits for what people still do, but not for ever: who is still being written to goes on writing.
func (w *world) calm(ctx context.Context) error {
	err := w.await(ctx, "people are still", w.linger, func() bool { return w.people.Load() == 0 })
	if ctx.Err() != nil {
		return err
	}
	return nil
}

// person does something beside the load, until its end.
func (w *world) person(do func()) {
	w.people.Add(1)
	go func() {
		defer w.people.Add(-1)
		do()
	}()
}

// blows plans what happens when.
func (w *world) blows(busy time.Duration) []blow {
	var all []blow
	moment := func() time.Duration { return busy/20 + time.Duration(w.chance.Int64N(int64(busy*9/10))) }
	for range w.kills {
		n := w.nodes[w.chance.IntN(len(w.nodes))]
		all = append(all, blow{moment(), "kill -9 " + n.name, func(ctx context.Context) error {
			return w.await(ctx, n.name+" runs and can be killed", 30*time.Second, n.kill)
		}})
	}
	for range w.flushes {
		all = append(all, blow{moment(), "FLUSHALL", func(ctx context.Context) error {
			return w.upset(func() error { return w.rdb.FlushAll(ctx).Err() })
		}})
	}
	all = append(all, blow{moment(), "restart of Redis", func(ctx context.Context) error {
		return w.upset(func() error { return w.outage(ctx, w.redis, syscall.SIGKILL) })
	}})
	if w.pg != nil {
		all = append(all, blow{moment(), "restart of PostgreSQL", func(ctx context.Context) error {
			return w.outage(ctx, w.pg, syscall.SIGQUIT) // at once, without a checkpoint
		}})
	}
	slices.SortFunc(all, func(a, b blow) int { return int(a.at - b.at) })
	return all
}

// outage ends a server and starts it again, and notes when.
func (w *world) outage(ctx context.Context, s *server, sig syscall.Signal) error {
	o := span{from: time.Now()}
	s.stop(sig)
	err := s.start(ctx)
	o.to = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outages, w.restarts[s.name] = append(w.outages, o), w.restarts[s.name]+1
	return err
}

// upset makes Redis forget, and notes when.
func (w *world) upset(do func() error) error {
	s := span{from: time.Now()}
	err := do()
	s.to = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.upsets = append(w.upsets, s)
	return err
}

// strike does what is planned.
func (w *world) strike(ctx context.Context, start time.Time, blows []blow) error {
	for _, b := range blows {
		if !rest(ctx, time.Until(start.Add(b.at))) {
			return nil
		}
		if err := b.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", b.what, err)
		}
		w.say("%5.1f s  %s", time.Since(start).Seconds(), b.what)
	}
	return nil
}

// settle waits until nothing is due any more, as long as that becomes less. It is false when that was not to be waited for.
func (w *world) settle(ctx context.Context) (bool, error) {
	later := time.Now().Add(w.later)
	var end time.Time
	still, least := 0, math.MaxInt
	for {
		until := later
		if leased := time.Now().Add(w.lease + time.Second); leased.After(later) { // what is worked on is due again then
			until = leased
		}
		due, inbox, err := w.pending(ctx, until)
		if err != nil {
			return false, fmt.Errorf("what is due: %w", err)
		}
		if due+inbox < least {
			least, end = due+inbox, time.Now().Add(w.later+w.grace+30*time.Second)
		}
		if still++; due > 0 || inbox > 0 {
			still = 0
		}
		if still == 4 { // over two seconds: what is due next and what is heard next are there
			return true, nil
		}
		if time.Now().After(end) {
			w.say("%d sends are due and %d callbacks wait", due, inbox)
			return false, nil
		}
		if !rest(ctx, 700*time.Millisecond) {
			return false, context.Cause(ctx)
		}
	}
}

// A stall is a moment at which this machine gave a waiting process no time.
type stall struct {
	at   time.Time
	late time.Duration
}

// watchMachine notes when a timer is late: what a gateway paced comes late as well then.
func (w *world) watchMachine(ctx context.Context) {
	const every = 10 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := time.Now()
			if late := now.Sub(last) - every; late > every {
				w.mu.Lock()
				w.stalls = append(w.stalls, stall{now, late})
				w.mu.Unlock()
			}
			last = now
		}
	}
}
