package dispatch

import (
	"context"
	"strconv"
	"time"
)

// A turn is the right to call the provider once, now. Its caller calls at once, and then done; or cancel when it does not call.
type turn struct {
	p     *pacer
	g     *gate
	lane  string
	rates []Rate
	id    string        // "" = nothing is counted
	asked time.Time     // before the grant
	hold  time.Duration // from the grant on; then it counts as given back
}

// turn waits until the provider may be called with one message of so many units, at most for patience. It is nil when no turn came; wait
// is then when to ask again. A lane without rates that is not slowed costs nothing.
func (p *pacer) turn(ctx context.Context, lane string, rates []Rate, units int, patience time.Duration) (t *turn, wait time.Duration, err error) {
	g := p.gate(lane)
	if len(rates) == 0 && !p.slowed(ctx, lane, g) {
		g.count(time.Now(), 1)
		return &turn{}, 0, nil
	}
	until := time.Now().Add(patience)
	g.weigh(units)
	w := &waiter{units: units, wake: make(chan struct{}, 1)}
	g.join(w, rates, false)
	for {
		t, wait, err = p.await(ctx, g, w, grantOf{lane: lane, count: turnCount, rates: rates}, until)
		if t == nil {
			return nil, wait, err
		}
		if time.Since(t.asked) <= t.hold/2 {
			g.inTime()
			return t, 0, nil
		}
		// The request might reach the provider when its turn counts as over. Others may have the turn.
		t.cancel(ctx)
		g.late()
		g.join(w, rates, true)
	}
}

// await waits for the turn of w, and asks for all when it is the first.
func (p *pacer) await(ctx context.Context, g *gate, w *waiter, q grantOf, until time.Time) (*turn, time.Duration, error) {
	select {
	case <-w.wake: // before its time may be over: who has no patience asks once
	default:
		over := time.NewTimer(time.Until(until))
		defer over.Stop()
		select {
		case <-w.wake:
		case <-over.C:
			return g.leave(w), time.Second, nil
		case <-p.stopping:
			return g.leave(w), time.Second, nil
		case <-ctx.Done():
			return g.leave(w), time.Second, ctx.Err()
		}
	}
	if t := g.granted(w); t != nil {
		return t, 0, nil
	}
	for { // it was woken to ask
		wait, err := p.ask(ctx, g, q)
		if t := g.granted(w); t != nil {
			return t, 0, nil
		}
		if err != nil || time.Now().Add(wait).After(until) || !p.rest(ctx, wait) {
			return g.leave(w), wait, err
		}
	}
}

// ask asks Redis for the turns of those who wait, and hands them out.
func (p *pacer) ask(ctx context.Context, g *gate, q grantOf) (time.Duration, error) {
	asked := g.ahead(&q, p.id)
	before := time.Now()
	n, wait, err := p.run(ctx, q)
	if err != nil {
		return time.Second, err
	}
	var unused []*turn
	g.mu.Lock()
	for i, w := range asked[:n] {
		t := &turn{
			p: p, g: g, lane: q.lane, rates: q.rates, asked: before, hold: q.hold,
			id: q.id + "." + strconv.Itoa(i+1) + ":" + strconv.Itoa(max(w.units, 1)),
		}
		if w.gone {
			unused = append(unused, t)
			continue
		}
		w.turn = t
		g.drop(w)
		w.signal()
	}
	g.sent.add(before, n-len(unused))
	g.mu.Unlock()
	for _, t := range unused {
		t.cancel(ctx)
	}
	return wait, nil
}

// rest waits; it is false when a shutdown or ctx cut it short.
func (p *pacer) rest(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stopping:
		return false
	case <-ctx.Done():
		return false
	}
}

// done says that the provider has answered: the turn counts from now on.
func (t *turn) done(ctx context.Context) {
	if t.id == "" {
		return
	}
	took := min(time.Since(t.asked), t.hold)
	t.g.mu.Lock()
	t.g.usual += (took - t.g.usual) / 8
	t.g.mu.Unlock()
	for _, r := range t.rates {
		if r.Per < time.Minute { // of a longer window the hold is so small a part that it may well be counted in
			t.give(ctx, 1)
			return
		}
	}
}

// cancel says that the provider was not called.
func (t *turn) cancel(ctx context.Context) {
	if t.id != "" {
		t.give(ctx, 0)
	}
}

// give gives a turn back. When Redis does not hear it the turn counts until its hold is over, which is never too early.
func (t *turn) give(ctx context.Context, used int) {
	keys, args := scriptWindows(t.lane, turnCount, t.rates)
	_ = giveScript.Run(context.WithoutCancel(ctx), t.p.rdb, keys, append(args, used, t.id)...).Err()
}
