package survey

import (
	"fmt"
	"slices"
	"time"
)

// The limits of a thin plan.
const (
	MaxTries       = 8              // transient faults of one message before the next step
	UncertainGrace = 24 * time.Hour // how long an attempt may stay uncertain before its send is closed
	pauseAfter     = 15 * time.Minute
	maxSaid        = 4 // messages of ours in answer to replies (law 8), beside one that confirms a STOP
)

// The faults of an attempt, as channels.Fault names them.
const (
	FaultNone          = ""
	FaultUnconfirmed   = "unconfirmed"
	FaultTransient     = "transient"
	FaultUnreachable   = "unreachable"
	FaultOptedOut      = "opted_out"
	FaultRejected      = "rejected"
	FaultMisconfigured = "misconfigured"
	FaultNotSent       = "not_sent" // ours: the provider was not called, because no turn came
)

// Target is the channel and address of the message that is due.
func (s *State) Target() (Channel, string) {
	if conversational(s.Send.Kind) {
		return s.Send.Thread.Channel, s.Send.Thread.Address
	}
	if s.Send.Step >= len(s.Send.Plan) {
		return "", ""
	}
	c := s.Send.Plan[s.Send.Step].Channel
	return c, s.Send.Recipient.Address(c)
}

func conversational(k Kind) bool { return k != Invitation && k != Reminder }

// Record adds a row to the ledger; pairs are names and values of its data.
func (s *State) Record(now time.Time, typ string, pairs ...any) {
	e := Event{SendID: s.Send.ID, Type: typ, At: now}
	if len(pairs) > 0 {
		e.Data = make(map[string]any, len(pairs)/2)
		for i := 0; i+1 < len(pairs); i += 2 {
			if name, ok := pairs[i].(string); ok && pairs[i+1] != nil && pairs[i+1] != "" {
				e.Data[name] = pairs[i+1]
			}
		}
	}
	s.Events = append(s.Events, e)
}

// progress orders the states of a send in which a provider may still be heard.
func progress(st Status) int {
	switch st {
	case Accepted, Scheduled, Sending:
		return 0
	case Sent:
		return 1
	case Delivered:
		return 2
	case Answered:
		return 3
	default:
		return 4
	}
}

// raise moves the status forward, never back.
func (s *State) raise(to Status, now time.Time) {
	from := s.Send.Status
	if from.Final() || progress(to) < progress(from) || from == to {
		return
	}
	s.Send.Status, s.Send.Reason, s.Send.UpdatedAt = to, ReasonNone, now
}

// wait schedules the next look at the send without moving its status back.
func (s *State) wait(lane string, due time.Time, reason Reason, now time.Time) {
	if !conversational(s.Send.Kind) && due.After(s.Send.ExpiresAt) && reason != ReasonUncertain {
		due = s.Send.ExpiresAt // where it is closed, and no later
		if due.Before(now) {
			due = now
		}
	}
	s.Send.Lane, s.Send.DueAt, s.Send.UpdatedAt = lane, due, now
	if progress(s.Send.Status) == 0 {
		s.Send.Status, s.Send.Reason = Scheduled, reason
	}
}

// rest: nothing is due any more.
func (s *State) rest() { s.Send.Lane, s.Send.Tries = "", 0 }

// end closes the send with its one outcome.
func (s *State) end(to Status, reason Reason, now time.Time, pairs ...any) {
	s.rest()
	if s.Send.Status.Final() {
		return
	}
	s.Send.Status, s.Send.Reason, s.Send.UpdatedAt = to, reason, now
	s.Send.Thread.Asking = ""
	s.Record(now, "send."+string(to), append([]any{"reason", string(reason)}, pairs...)...)
}

// Held checks that the holder of epoch still has the message that is due.
func (s *State) held(lane string, epoch int64) error {
	if s.Send.Epoch != epoch || s.Send.Lane != lane || lane == "" {
		return fmt.Errorf("send %s at epoch %d in lane %q: %w", s.Send.ID, epoch, lane, ErrConflict)
	}
	return nil
}

// untouched checks that, and that nothing of the message is on its way.
func (s *State) untouched(lane string, epoch int64) error {
	if err := s.held(lane, epoch); err != nil {
		return err
	}
	if s.open() != nil {
		return fmt.Errorf("send %s has an attempt whose result is not known: %w", s.Send.ID, ErrConflict)
	}
	return nil
}

// Settle carries out a decision that is not Go. It is ErrConflict when another has the send.
func Settle(s *State, lane string, epoch int64, d Decision, now time.Time) error {
	if err := s.held(lane, epoch); err != nil {
		return err
	}
	if d.Verdict != Go {
		s.Send.Epoch++ // a task that runs twice does not meet it again before it is due
	}
	if conversational(s.Send.Kind) && (d.Verdict == Skip || d.Verdict == Stop) {
		s.rest()
		s.Record(now, "message.dropped", "kind", string(s.Send.Kind), "reason", string(d.Reason))
		return nil
	}
	switch d.Verdict {
	case Hold:
		s.wait(lane, d.Until, d.Reason, now)
		s.Record(now, "send.held", "reason", string(d.Reason), "until", d.Until, "decision", d)
	case Swap:
		s.Send.Thread.Survey, s.Send.Thread.Version = d.Instead, d.Release
		s.wait(lane, now, ReasonNone, now)
		s.Record(now, "survey.swapped", "from", s.Send.Survey, "to", d.Instead, "decision", d)
	case Skip:
		s.Record(now, "step.skipped", "step", s.Send.Step, "reason", string(d.Reason), "decision", d)
		s.advance(d.Reason, now)
	case Stop:
		if d.Status == Expired && s.reached() { // by a step that was in time
			s.rest()
			s.Record(now, "step.skipped", "step", s.Send.Step, "reason", string(d.Reason))
			return nil
		}
		s.end(d.Status, d.Reason, now, "decision", d)
	case Go:
	}
	return nil
}

// PutOff gives back a message that was taken and that nobody worked on: it is due again at due, or when it expires; one of a
// conversation at due in any case. It is ErrConflict when another has the send, or its message is on the way.
func PutOff(s *State, lane string, epoch int64, due time.Time) error {
	if err := s.untouched(lane, epoch); err != nil {
		return err
	}
	if e := s.Send.ExpiresAt; !e.IsZero() && due.After(e) && !conversational(s.Send.Kind) {
		due = e
	}
	s.Send.Epoch++
	s.Send.DueAt = due
	return nil
}

// Drop closes the message that is due because it cannot be made (law 2: with its reason).
func Drop(s *State, lane string, epoch int64, why Reason, detail string, now time.Time) error {
	if err := s.untouched(lane, epoch); err != nil {
		return err
	}
	s.Send.Epoch++
	s.Record(now, "message.dropped", "kind", string(s.Send.Kind), "reason", string(why), "detail", detail)
	if conversational(s.Send.Kind) {
		s.rest()
		return nil
	}
	s.advance(why, now)
	return nil
}

// Cancel ends a send that nobody has answered. It is ErrConflict when it has its outcome or an answer.
func Cancel(s *State, actor string, now time.Time) error {
	if s.Send.Status.Final() || s.Send.Status == Answered {
		return fmt.Errorf("send %s is %s: %w", s.Send.ID, s.Send.Status, ErrConflict)
	}
	s.Send.Epoch++
	s.end(Cancelled, ReasonCancelled, now, "actor", actor)
	return nil
}

// suppress adds an address to those that are not written to. What was said first stays.
func (s *State) suppress(sup Suppression, now time.Time) {
	if sup.Address == "" {
		return
	}
	for _, have := range s.Suppressions {
		if have.Channel == sup.Channel && have.Address == sup.Address && (have.Scope == sup.Scope && have.Subject == sup.Subject || have.Scope == ScopeAll) {
			return
		}
	}
	if sup.Mode, sup.SendID = s.Send.Mode, s.Send.ID; sup.At.IsZero() {
		sup.At = now
	}
	s.Suppressions = append(s.Suppressions, sup)
	s.Record(now, "contact.suppressed", "channel", string(sup.Channel), "scope", sup.Scope, "reason", sup.Reason)
}

// unreached notes that an address reaches nobody, from the latest time on: for how long it is passed over counts from there. Whether the
// person left is another matter.
func (s *State) unreached(a *Attempt, now time.Time) {
	if a.Address == "" {
		return
	}
	mark := Suppression{
		Mode: s.Send.Mode, Channel: a.Channel, Address: a.Address, Scope: ScopeUnreachable, Reason: FaultUnreachable, Source: a.Sender,
		SendID: s.Send.ID, At: now,
	}
	s.Suppressions = append(slices.DeleteFunc(slices.Clone(s.Suppressions), func(have Suppression) bool {
		return have.Scope == ScopeUnreachable && have.Channel == a.Channel && have.Address == a.Address
	}), mark)
	s.Record(now, "contact.unreachable", "channel", string(a.Channel))
}

// stop ends what a send still had to say, because the person left.
func (s *State) stop(now time.Time) {
	s.Send.Epoch++
	s.Send.Thread.Asking = ""
	if s.Send.Status == Answered {
		s.rest()
		s.Send.Status, s.Send.UpdatedAt = Completed, now
		if s.Response != nil && !s.Response.Complete {
			s.Response.UpdatedAt = now
		}
		s.Record(now, "send.completed", "reason", string(ReasonOptedOut))
		return
	}
	s.end(Suppressed, ReasonOptedOut, now)
}
