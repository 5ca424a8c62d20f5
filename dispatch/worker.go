package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// deliver makes the attempts of one batch. Running it twice sends once: a claim is exclusive.
func (d *Dispatcher) deliver(ctx context.Context, t *asynq.Task) error {
	var p deliverPayload
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return fmt.Errorf("decode %s: %w: %w", t.Type(), err, asynq.SkipRetry)
	}
	sender, ok := d.cfg.Senders[p.Lane]
	if !ok {
		return nil // the feeder closes what waits for it
	}
	under := d.slots[p.Lane].under
	under.Add(int64(len(p.Refs)))
	defer under.Add(-int64(len(p.Refs)))
	states, err := d.cfg.Sends.Load(ctx, p.Refs)
	if err != nil {
		return fmt.Errorf("load batch of lane %s: %w", p.Lane, err)
	}
	for _, rest := range [...]time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 0} { // who waits for another's invitation sees it in the next round
		free, busy, err := d.reserve(ctx, states)
		if err != nil {
			return err
		}
		err = d.attempts(ctx, sender, free)
		d.returns.flush() //nolint:contextcheck // it goes on when ctx has ended: others see then whether it was an invitation
		if err != nil || len(busy) == 0 {
			return err
		}
		if states = busy; rest > 0 && !d.pace.rest(ctx, rest) {
			break
		}
	}
	return d.putOff(ctx, sender, states)
}

// putOff gives back what another's invitation still holds up: it is due again soon, not only when its lease ends. On a lane with
// rates that is later, because each time that it is taken counts there, and the other may be one that a crash left behind.
func (d *Dispatcher) putOff(ctx context.Context, sender Sender, states []survey.State) error {
	due := d.cfg.Now().Add(time.Second)
	if len(sender.Rates) > 0 {
		due = d.cfg.Now().Add(d.cfg.Lease / 8)
	}
	var group errgroup.Group // they share commits
	for i := range states {
		group.Go(func() error {
			send := &states[i].Send
			_, err := d.cfg.Sends.ApplyFrom(ctx, states[i], func(st *survey.State) error {
				return survey.PutOff(st, sender.Name, send.Epoch, due)
			})
			if err != nil && !errors.Is(err, survey.ErrConflict) {
				return fmt.Errorf("put off send %s: %w", send.ID, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// attempts makes one attempt at each of the states of b and waits for all.
func (d *Dispatcher) attempts(ctx context.Context, sender Sender, b batch) error {
	running := d.slots[sender.Name].running
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range b.states {
		s := &b.states[i]
		select {
		case running <- struct{}{}:
		case <-ctx.Done():
			for _, left := range b.states[i:] {
				d.returns.add(b.held[left.Send.ID])
			}
			return ctx.Err() // what is left is due again when the lease ends
		}
		wg.Go(func() {
			defer func() { <-running }()
			defer d.returns.add(b.held[s.Send.ID])
			d.attempt(ctx, sender, s, b.facts[s.Send.ID], b.read)
		})
	}
	return nil
}

// slots bound the work of one lane in this process. Attempts pass claim, provider and record one after the other, so that the provider is
// busy while commits are waited for; few are claimed and not yet sent, since these are uncertain after a crash.
type slots struct {
	running chan struct{} // attempts in any state
	claimed chan struct{} // being claimed, or claimed and waiting for the provider
	sending chan struct{} // at the provider
	under   *atomic.Int64 // sends of tasks that are worked on
}

func newSlots(concurrency int) slots {
	return slots{
		running: make(chan struct{}, 4*concurrency), claimed: make(chan struct{}, concurrency), sending: make(chan struct{}, concurrency),
		under: new(atomic.Int64),
	}
}

// attempt decides, renders, claims, sends and records one message. Its outcome is logged once, here.
func (d *Dispatcher) attempt(ctx context.Context, sender Sender, s *survey.State, facts survey.Facts, read time.Time) {
	status, err := d.try(ctx, sender, s, facts, read)
	switch {
	case errors.Is(err, survey.ErrConflict):
		// another has the send, or it changed: whoever did that recorded why
	case err != nil && ctx.Err() == nil:
		d.cfg.Log.WarnContext(ctx, "attempt not recorded, looked at again", "send_id", s.Send.ID, "sender", sender.Name, "error", err)
	case err == nil:
		d.cfg.Log.DebugContext(ctx, "attempt made", "send_id", s.Send.ID, "sender", sender.Name, "kind", s.Send.Kind, "outcome", status)
	}
}

// try makes one attempt on facts that were read at that time.
func (d *Dispatcher) try(ctx context.Context, sender Sender, s *survey.State, facts survey.Facts, read time.Time) (status string, err error) {
	now, send := d.cfg.Now(), &s.Send
	epoch := send.Epoch
	if send.Mode == survey.Test && !sender.Sandbox {
		// Law 11: the planner cannot make such a send; if one exists all the same it ends here.
		return "refused", d.apply(ctx, send.ID, func(st *survey.State) error {
			return survey.Drop(st, sender.Name, epoch, survey.ReasonNoSender, "a test send cannot reach a real provider", now)
		})
	}
	if a := survey.Unsettled(s); a != nil {
		return d.settle(ctx, sender, s, a)
	}
	decision, err := d.decide(ctx, s, facts, now)
	if err != nil {
		return "", err // due again when the lease ends
	}
	if decision.Verdict != survey.Go {
		return string(decision.Verdict), d.apply(ctx, send.ID, func(st *survey.State) error {
			return survey.Settle(st, sender.Name, epoch, decision, now)
		})
	}
	m, extra, err := d.message(ctx, sender, s)
	if errors.Is(err, templates.ErrSource) {
		return "", err // due again when the lease ends
	}
	if err != nil {
		return "unrenderable", d.apply(ctx, send.ID, func(st *survey.State) error {
			return survey.Drop(st, sender.Name, epoch, survey.ReasonRender, err.Error(), now)
		})
	}
	if m.To == "" {
		return "no address", d.apply(ctx, send.ID, func(st *survey.State) error {
			return survey.Drop(st, sender.Name, epoch, survey.ReasonNoAddress, "the recipient has no address on "+string(m.Channel), now)
		})
	}
	a := survey.Attempt{
		ID: m.AttemptID, Kind: send.Kind, Step: send.Step, Channel: m.Channel, Sender: sender.Name, Address: m.To, Segments: 1, Epoch: epoch,
	}
	if ctx.Err() != nil {
		return "", ctx.Err() // nothing was claimed: it is due again when the lease ends
	}
	if len(sender.Rates) > 0 && d.stopped() {
		return "left", nil // likewise: a shutdown does not wait for turns
	}
	slots := d.slots[sender.Name]
	slots.claimed <- struct{}{}
	release := sync.OnceFunc(func() { <-slots.claimed })
	defer release()
	if d.cfg.Now().Sub(read) > attentive { // others took their time
		now = d.cfg.Now()
		fresh, err := d.cfg.Sends.Facts(ctx, []survey.State{*s}, nil)
		if err != nil {
			return "", fmt.Errorf("facts: %w", err) // due again when the lease ends
		}
		facts = fresh[send.ID]
		if decision, err = d.decide(ctx, s, facts, now); err != nil {
			return "", err
		}
		if decision.Verdict != survey.Go {
			return string(decision.Verdict), d.apply(ctx, send.ID, func(st *survey.State) error {
				return survey.Settle(st, sender.Name, epoch, decision, now)
			})
		}
	}
	// From here on nothing may be cut off: a claim whose commit is not waited for would be an attempt that nobody makes.
	ctx = context.WithoutCancel(ctx)
	after, err := d.cfg.Sends.ApplyFrom(ctx, *s, func(st *survey.State) error {
		return survey.Claim(st, a, d.leased(send, now), decision, extra, now)
	})
	if errors.Is(err, survey.ErrInDoubt) { // nothing is sent on it: if it was made all the same, it is given back
		status, err = d.finish(ctx, sender, *s, a.ID, survey.Result{Fault: survey.FaultNotSent, Code: "claim", Backoff: time.Second})
		if errors.Is(err, survey.ErrNotFound) {
			return "not claimed", nil
		}
		return status, err
	}
	if err != nil {
		return "", fmt.Errorf("claim: %w", err)
	}
	if attemptOf(&after, a.ID) == nil {
		return "not claimed", nil
	}
	slots.sending <- struct{}{}
	release()
	result := d.paced(ctx, sender, m, &after, after.Send.Tries)
	<-slots.sending
	return d.finish(ctx, sender, after, a.ID, result)
}

// leased is until when a claim holds a send: as long as the feeder took it for, when that is a whole lease yet. What is due stays in its
// place in the index then, and the feeder takes everything for a quarter longer than a claim needs.
func (d *Dispatcher) leased(send *survey.Send, now time.Time) time.Time {
	lease := now.Add(d.cfg.Lease)
	if send.DueAt.After(lease) && send.DueAt.Before(lease.Add(d.cfg.Lease)) {
		return send.DueAt
	}
	return lease
}

// finish records what became of an attempt.
func (d *Dispatcher) finish(ctx context.Context, sender Sender, s survey.State, attemptID string, r survey.Result) (status string, err error) {
	if r.Fault == survey.FaultMisconfigured {
		d.cfg.Log.ErrorContext(ctx, "sender paused: its provider refuses it; check its configuration", "sender", sender.Name, "code", r.Code)
	}
	r.Retry, r.Doubt, r.Other = sender.Retry, max(r.Doubt, d.doubt(sender)), d.other(ctx, sender, r)
	finished, err := d.insist(ctx, s, func(st *survey.State, again bool) error {
		if a := attemptOf(st, attemptID); again && a != nil && (a.Status.Rank() > survey.AttemptUncertain.Rank() || a.Fault != "") {
			return nil // the commit whose answer was lost
		}
		return survey.Finish(st, attemptID, r, d.cfg.Now())
	})
	if err != nil {
		return "", fmt.Errorf("finish: %w", err)
	}
	if finished.Send.Lane != "" && !finished.Send.DueAt.After(d.cfg.Now()) {
		d.Wake() // the next step of its plan
	}
	if r.Fault == survey.FaultNone {
		return "accepted", nil
	}
	return r.Fault, nil
}

// insistFor is how long a result waits for a database that does not answer. Nothing else knows it: without it a message that surely was not
// sent would never be.
const insistFor = 10 * time.Minute

// insist is ApplyFrom until the database answers. fn is told whether it may have been done before.
func (d *Dispatcher) insist(ctx context.Context, s survey.State, fn func(st *survey.State, again bool) error) (after survey.State, err error) {
	wait := 20 * time.Millisecond
	for start := time.Now(); ; wait = min(2*wait, time.Second) {
		again := err != nil
		after, err = d.cfg.Sends.ApplyFrom(ctx, s, func(st *survey.State) error { return fn(st, again) })
		if !errors.Is(err, survey.ErrUnavailable) && !errors.Is(err, survey.ErrInDoubt) || time.Since(start) > insistFor {
			return after, err
		}
		d.cfg.Log.WarnContext(ctx, "result not recorded, tried again", "send_id", s.Send.ID, "error", err)
		select {
		case <-time.After(wait): // a shutdown waits for it, as it does for the provider
		case <-ctx.Done():
			return after, err
		}
	}
}

func (d *Dispatcher) apply(ctx context.Context, id string, fn func(*survey.State) error) error {
	after, err := d.cfg.Sends.Apply(ctx, id, fn)
	if err == nil && after.Send.Lane != "" && !after.Send.DueAt.After(d.cfg.Now()) {
		d.Wake()
	}
	return err
}

// attemptOf is nil when the send has no such attempt.
func attemptOf(s *survey.State, id string) *survey.Attempt {
	for i := range s.Attempts {
		if s.Attempts[i].ID == id {
			return &s.Attempts[i]
		}
	}
	return nil
}
