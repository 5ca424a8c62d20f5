package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// An attempt whose result was never recorded stands in the way of its message until it is settled: by the provider's receipt, which
// comes by itself; by a repetition under the same id, where the provider takes an id once; by a look-up, where it can be
// asked; or by its grace time, which closes the send. It is never just sent again.

// surely is how many times the first look-up's delay has to pass until «not there» is believed: a request may still be under way.
const surely = 10

// lookAgain is when an attempt that was looked up n times without result is looked up again.
func (d *Dispatcher) lookAgain(n int) time.Duration {
	return min(d.cfg.LookUp<<min(2*n, 20), 6*time.Hour)
}

// doubt is how long a new uncertain attempt is left to its receipt.
func (d *Dispatcher) doubt(sender Sender) time.Duration {
	_, finds := sender.Via.(channels.Finder)
	if finds || dedupes(sender) {
		return d.cfg.LookUp
	}
	return d.cfg.Grace
}

func dedupes(sender Sender) bool {
	dd, ok := sender.Via.(channels.Deduper)
	return ok && dd.Dedupes()
}

// settle does what can be done about attempt a of s, whose result is not known.
func (d *Dispatcher) settle(ctx context.Context, sender Sender, s *survey.State, a *survey.Attempt) (status string, err error) {
	now := d.cfg.Now()
	if dedupes(sender) && now.Sub(a.At) < d.cfg.Grace {
		allowed, err := d.still(ctx, s, now)
		if allowed {
			status, err = d.repeat(ctx, sender, s, a)
		}
		if status != "" || err != nil {
			return status, err
		}
	}
	if f, ok := sender.Via.(channels.Finder); ok { // once more when the grace time is over: it costs nothing
		if status, err := d.lookUp(ctx, f, sender, s, a); status != "" || err != nil {
			return status, err
		}
	}
	next := a.At.Add(d.cfg.Grace)
	if d.doubt(sender) < d.cfg.Grace {
		next = now.Add(d.lookAgain(s.Send.Thread.Looked))
	}
	return "uncertain", d.apply(ctx, s.Send.ID, func(st *survey.State) error {
		return survey.Doubt(st, sender.Name, s.Send.Epoch, a.ID, next, d.cfg.Grace, now)
	})
}

// repeat hands the same attempt to a provider that takes its id once. Status is "" when it was not handed over.
func (d *Dispatcher) repeat(ctx context.Context, sender Sender, s *survey.State, a *survey.Attempt) (status string, err error) {
	m, _, err := d.message(ctx, sender, s)
	if err != nil || m.To != a.Address {
		return "", nil // it cannot be made any more: the receipt or the grace time settles it
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	m.AttemptID, m.StatusURL = a.ID, d.statusURL(sender, a.ID)
	slots := d.slots[sender.Name]
	slots.sending <- struct{}{}
	defer func() { <-slots.sending }()
	ctx = context.WithoutCancel(ctx) // as any attempt
	again, now := false, d.cfg.Now()
	after, err := d.cfg.Sends.ApplyFrom(ctx, *s, func(st *survey.State) (err error) {
		again, err = survey.Again(st, sender.Name, s.Send.Epoch, a.ID, survey.MaxTries, now.Add(d.cfg.Lease), now)
		return err
	})
	if err != nil || !again {
		return "", err
	}
	return d.finish(ctx, sender, after, a.ID, d.paced(ctx, sender, m, &after, after.Send.Thread.Looked).Unproven())
}

// lookUp asks the provider. Status is "" when nothing was learned.
func (d *Dispatcher) lookUp(ctx context.Context, f channels.Finder, sender Sender, s *survey.State, a *survey.Attempt) (status string, err error) {
	m, _, err := d.message(ctx, sender, s)
	if err != nil {
		return "", nil // without its words it cannot be found
	}
	call, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	found, err := f.Find(call, channels.Lookup{AttemptID: a.ID, To: a.Address, Since: a.At})
	if err != nil {
		d.cfg.Log.InfoContext(ctx, "look-up told nothing, tried again", "send_id", s.Send.ID, "sender", sender.Name, "error", err)
		return "", nil
	}
	now, others := d.cfg.Now(), false
	for _, u := range found {
		known, err := d.ofAnother(ctx, sender, u.ProviderID, a.ID)
		switch {
		case err != nil:
			return "", fmt.Errorf("find attempt: %w", err)
		case known:
			continue
		case u.Text != m.Text:
			others = true // it may be ours all the same: providers change words, and so do publications
			continue
		}
		return "found", d.apply(ctx, s.Send.ID, func(st *survey.State) error {
			return survey.Heard(st, survey.Report{
				AttemptID: a.ID, Sender: sender.Name, ProviderID: u.ProviderID, Status: u.Status, Fault: faultOf(u), Code: u.Code,
				Backoff: backoff(len(st.Attempts)), Retry: sender.Retry, At: u.At, Found: true,
			}, now)
		})
	}
	if others {
		return "", nil
	}
	if now.Sub(a.At) < surely*d.cfg.LookUp {
		return "", nil
	}
	status, err = d.finish(ctx, sender, *s, a.ID, survey.Result{
		Fault: survey.FaultTransient, Code: "not_there", Backoff: backoff(s.Send.Tries),
	})
	if err == nil {
		status = "not there"
	}
	return status, err
}

// ofAnother reports whether a message of the provider is known as that of another attempt, by any sender of the same driver: they may share
// an account.
func (d *Dispatcher) ofAnother(ctx context.Context, sender Sender, providerID, attemptID string) (bool, error) {
	for name, s := range d.cfg.Senders {
		if s.Driver != sender.Driver {
			continue
		}
		_, other, err := d.cfg.Inbox.SendOfProviderID(ctx, name, providerID)
		switch {
		case err == nil:
			return other != attemptID, nil
		case !errors.Is(err, survey.ErrNotFound):
			return false, err
		}
	}
	return false, nil
}

// faultOf is what a report of a failure says about it.
func faultOf(u channels.Update) string {
	if u.Status != survey.AttemptFailed {
		return survey.FaultNone
	}
	return u.Fault.String()
}
