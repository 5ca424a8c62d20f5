package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// paced sends when the rate has room. What is claimed after the feeder's grant comes to the provider late and unevenly, so it takes its turn
// here once more. A message that gets none in time was surely not sent; nor is one that nobody wants any more when its turn comes.
func (d *Dispatcher) paced(ctx context.Context, sender Sender, m channels.Message, s *survey.State, tries int) survey.Result {
	claimed := d.cfg.Now()
	if a := attemptOf(s, m.AttemptID); a != nil {
		claimed = a.At
	}
	if until, ok := d.health.enter(ctx, sender.Name); !ok {
		return survey.Result{Fault: survey.FaultNotSent, Code: "resting", RetryAfter: until.Sub(d.cfg.Now()), Backoff: time.Second}
	}
	t, wait, err := d.pace.turn(ctx, sender.Name, sender.Rates, units(sender, m), d.cfg.Lease/2)
	if err != nil {
		d.cfg.Log.WarnContext(ctx, "no turn at the provider, tried again", "send_id", m.SendID, "sender", sender.Name, "error", err)
	}
	code := "rate"
	if t != nil {
		if why := d.unwanted(ctx, sender, s, claimed); why != "" {
			t.cancel(ctx)
			t, code = nil, why
		}
	}
	if t == nil {
		r := survey.Result{Fault: survey.FaultNotSent, Code: code, RetryAfter: wait, Backoff: time.Second}
		d.health.note(ctx, sender.Name, Outcome{Fault: r.Fault})
		return r
	}
	r := d.send(ctx, sender, m, tries)
	t.done(ctx)
	d.health.note(ctx, sender.Name, Outcome{Fault: r.Fault, Code: r.Code, Throttled: r.Throttled})
	if r.Throttled {
		rest := r.RetryAfter
		if sender.Channel == survey.Email {
			rest = 0 // a mail server means the domain of the recipient as often as us
		}
		if err := d.pace.slow(ctx, sender.Name, rest); err != nil {
			d.cfg.Log.WarnContext(ctx, "sender not slowed down", "sender", sender.Name, "error", err)
		}
	}
	return r
}

// attentive is how long after its claim a message goes out without another look.
const attentive = time.Second

// unwanted tells why a message that was claimed a while ago must not go out any more: it is late (law 10), its send was stopped,
// cancelled or answered meanwhile (law 7), or it is night. "" = it is wanted.
func (d *Dispatcher) unwanted(ctx context.Context, sender Sender, s *survey.State, claimed time.Time) string {
	now, send := d.cfg.Now(), &s.Send
	if (send.Kind == survey.Invitation || send.Kind == survey.Reminder) && !now.Before(send.ExpiresAt) {
		return "late"
	}
	if now.Sub(claimed) < attentive {
		return ""
	}
	fresh, err := d.cfg.Sends.Load(ctx, []survey.Ref{{ID: send.ID, Epoch: send.Epoch}})
	gone, wanted := len(fresh) == 0 || fresh[0].Send.Lane != sender.Name, false
	if err == nil && !gone {
		wanted, err = d.still(ctx, &fresh[0], now)
	}
	switch {
	case err != nil:
		d.cfg.Log.WarnContext(ctx, "claimed message not looked at again, tried again", "send_id", send.ID, "sender", sender.Name, "error", err)
		return "unknown"
	case gone:
		return "stopped"
	case !wanted:
		return "held"
	default:
		return ""
	}
}

// still reports whether a message that was claimed may go out at that time: nobody left, it is day, and not too late. What the claim decided by
// fatigue and by the session stands: both count the message by now.
func (d *Dispatcher) still(ctx context.Context, s *survey.State, now time.Time) (bool, error) {
	facts, err := d.cfg.Sends.Facts(ctx, []survey.State{*s}, nil)
	if err != nil {
		return false, fmt.Errorf("facts: %w", err)
	}
	policy := d.cfg.Policy
	policy.Viber = survey.SessionPolicy{}
	return survey.Decide(s, survey.Facts{Elsewhere: facts[s.Send.ID].Elsewhere}, policy, now).Verdict == survey.Go, nil
}

// units is what a message counts in the windows of its sender.
func units(sender Sender, m channels.Message) int {
	if c, ok := sender.Via.(channels.Counter); ok {
		return max(c.Units(m), 1)
	}
	return 1
}

func (d *Dispatcher) stopped() bool {
	select {
	case <-d.stopping:
		return true
	default:
		return false
	}
}

// send makes the one call to the provider. A driver that panics may have sent: nothing is known.
func (d *Dispatcher) send(ctx context.Context, sender Sender, m channels.Message, tries int) (r survey.Result) {
	defer func() {
		if v := recover(); v != nil {
			d.cfg.Log.ErrorContext(ctx, "driver panicked", "send_id", m.SendID, "sender", sender.Name, "stack", string(debug.Stack()))
			r = survey.Result{Fault: survey.FaultUnconfirmed, Code: "panic"}
		}
	}()
	limit := sender.Timeout
	if limit == 0 {
		limit = 30 * time.Second
	}
	// A drain lets the call end: ctx has no end of its own, and the limit is the only one.
	call, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	receipt, err := sender.Via.Send(call, m)
	if err == nil {
		return survey.Result{ProviderID: receipt.ProviderID, Segments: max(receipt.Segments, 1)}
	}
	r = survey.Result{Fault: survey.FaultUnconfirmed, ProviderID: receipt.ProviderID, Backoff: backoff(tries)}
	if e, ok := errors.AsType[*channels.Error](err); ok {
		r.Fault, r.Code, r.RetryAfter, r.Throttled = e.Fault.String(), e.Code, e.RetryAfter, e.Throttled
	}
	return r
}

// backoff is exponential with full jitter: anything up to 5 s · 2^tries, at most an hour.
//
// Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
func backoff(tries int) time.Duration {
	ceiling := min(5*time.Second<<min(tries, 12), time.Hour)
	return rand.N(ceiling) + time.Second //nolint:gosec // jitter is no secret
}
