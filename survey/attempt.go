package survey

import (
	"fmt"
	"time"
)

// A Retry says how long a message is tried on one step of its plan. Zero members take the defaults.
type Retry struct {
	Tries int           // attempts that met a transient fault; 0 = MaxTries
	Age   time.Duration // since the first attempt; 0 = as long as the send lives
}

// A Result is what a provider said to one attempt.
type Result struct {
	Fault      string // FaultNone = taken
	ProviderID string
	Code       string
	Segments   int
	Throttled  bool          // a transient fault that asks for fewer messages: no fault of this one, which is tried until it expires
	RetryAfter time.Duration // of a transient fault; 0 = Backoff decides
	Backoff    time.Duration // with jitter already in it
	Retry      Retry
	Doubt      time.Duration // of FaultUnconfirmed: when it is looked at again; 0 = UncertainGrace
	Other      string        // sender of the same channel that may take over from one that cannot send; "" = none
}

// Claim records that a is about to be handed to its provider (law 3). It is ErrConflict when another has
// the send. When what happened meanwhile forbids the attempt, the state says so instead and a is not among its attempts: a STOP,
// or an attempt of this step whose result was never recorded.
func Claim(s *State, a Attempt, lease time.Time, d Decision, extra map[string]any, now time.Time) error {
	if err := s.held(a.Sender, a.Epoch); err != nil {
		return err
	}
	if stopped, ok := s.forbidden(); ok && a.Kind != OptOut {
		return Settle(s, a.Sender, a.Epoch, stopped, now)
	}
	if open := s.open(); open != nil {
		s.doubt(open, "result never recorded", now)
		s.Send.DueAt, s.Send.UpdatedAt = now.Add(doubtAfter), now
		return nil
	}
	a.SendID, a.Status, a.At, a.UpdatedAt = s.Send.ID, AttemptClaimed, now, now
	s.Attempts = append(s.Attempts, a)
	s.Send.DueAt = lease
	if progress(s.Send.Status) == 0 {
		s.Send.Status, s.Send.Reason = Sending, ReasonNone
	}
	s.Send.UpdatedAt = now
	if t := &s.Send.Thread; !conversational(a.Kind) {
		t.Looked = 0
		if a.Channel != Email {
			t.Channel, t.Sender, t.Address, t.Asking = a.Channel, a.Sender, a.Address, QuestionScore
		}
	}
	pairs := []any{"attempt", a.ID, "kind", string(a.Kind), "channel", string(a.Channel), "sender", a.Sender, "step", a.Step}
	if len(d.Rules) > 0 {
		pairs = append(pairs, "decision", d)
	}
	for k, v := range extra {
		pairs = append(pairs, k, v)
	}
	s.Record(now, "attempt.claimed", pairs...)
	return nil
}

// forbidden is the decision that a suppression makes of what is due, whatever else is decided.
func (s *State) forbidden() (d Decision, ok bool) {
	d = Decision{Version: DecisionVersion, Status: Suppressed, Reason: ReasonOptedOut}
	ch, to := s.Target()
	asked, _ := s.Send.Asks()
	for _, sup := range s.Suppressions {
		switch {
		case sup.Scope == ScopeAll, sup.Scope == ScopeBrand && sup.Subject == s.Send.Brand, sup.Scope == ScopeSurvey && sup.Subject == asked:
			d.Verdict = Stop
			return d, true
		case sup.Scope == ScopeChannel && sup.Channel == ch && sup.Address == to:
			d.Verdict = Skip
		}
	}
	return d, d.Verdict == Skip
}

// Finish records what the provider said to an attempt.
func Finish(s *State, attemptID string, r Result, now time.Time) error {
	a := s.attempt(attemptID)
	if a == nil {
		return fmt.Errorf("attempt %s of send %s: %w", attemptID, s.Send.ID, ErrNotFound)
	}
	if r.ProviderID != "" {
		a.ProviderID = r.ProviderID
	}
	if r.Segments > 0 {
		a.Segments = r.Segments
	}
	if r.Fault == FaultNone && a.Status == AttemptFailed {
		return nil // taken, and a receipt that it did not arrive was faster: what follows from that is under way
	}
	// A lease may have ended while the provider was slow: the message is still this attempt's, and whoever took the send
	// meanwhile loses it by the new epoch. So does the task that made the attempt, should it run once more: what is due next is not
	// due yet.
	ours := s.Send.Lane == a.Sender && s.Send.Kind == a.Kind && s.Send.Step == a.Step && s.last(a)
	if ours {
		s.Send.Epoch++
	}
	switch {
	case r.Fault == FaultNone:
		if AttemptAccepted.Rank() > a.Status.Rank() {
			a.Status, a.UpdatedAt = AttemptAccepted, now
			s.Record(now, "attempt.accepted", "attempt", a.ID, "provider_id", r.ProviderID)
		}
		s.taken(a, ours, now)
	case a.Status.Rank() > AttemptUncertain.Rank():
		// a receipt was faster
	case r.Fault == FaultUnconfirmed:
		a.Fault, a.Code = r.Fault, r.Code
		s.doubt(a, "no answer after the request went out", now)
		if ours {
			s.Send.DueAt, s.Send.UpdatedAt = now.Add(orDefault(r.Doubt, UncertainGrace)), now
		}
	default:
		s.failed(a, r, ours, now)
	}
	return nil
}

func orDefault(d, other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return d
}

// taken: a provider has the message. What comes next is as the plan says.
func (s *State) taken(a *Attempt, ours bool, now time.Time) {
	if a.Status.Rank() >= AttemptDelivered.Rank() {
		s.reaches(a.Channel, a.Address, now)
	}
	if conversational(a.Kind) {
		if ours {
			s.rest()
		}
		return
	}
	if a.Status.Rank() >= AttemptDelivered.Rank() {
		s.raise(Delivered, now)
	} else {
		s.raise(Sent, now)
	}
	if ours {
		s.follow(a, now)
	}
}

// failed: the provider surely did not take the message, or it surely did not arrive.
func (s *State) failed(a *Attempt, r Result, ours bool, now time.Time) {
	a.Status, a.Fault, a.Code, a.UpdatedAt = AttemptFailed, r.Fault, r.Code, now
	s.Record(now, "attempt.failed", "attempt", a.ID, "fault", r.Fault, "code", r.Code)
	switch r.Fault {
	case FaultOptedOut:
		s.suppress(Suppression{Channel: a.Channel, Address: a.Address, Scope: ScopeAll, Reason: SaidProvider, Source: a.Sender}, now)
		s.stop(now)
		return
	case FaultUnreachable:
		s.unreached(a, now)
	}
	if !ours {
		return
	}
	again := now.Add(max(r.Backoff, r.RetryAfter))
	switch {
	case r.Fault == FaultTransient && r.Throttled:
		s.again(a, r, again, ReasonThrottled, now)
	case r.Fault == FaultTransient && s.mayTry(a, r.Retry, again):
		s.Send.Tries++
		s.again(a, r, again, ReasonTransient, now)
	case r.Fault == FaultNotSent:
		s.wait(a.Sender, again, ReasonThrottled, now)
	case r.Fault == FaultMisconfigured && (a.ProviderID == "" || s.mayTry(a, r.Retry, again)):
		s.again(a, r, now.Add(pauseAfter), ReasonMisconfigured, now)
	case conversational(a.Kind):
		s.rest()
	default:
		s.advance(reasonOf(r.Fault), now)
	}
}

// mayTry reports whether the limits allow another attempt at that moment. What was tried before a replay does not count.
func (s *State) mayTry(a *Attempt, limit Retry, at time.Time) bool {
	tries := limit.Tries
	if tries == 0 {
		tries = MaxTries
	}
	taken := 0 // and did not arrive, as receipts said: each was paid for
	var first time.Time
	for _, b := range s.Attempts {
		if b.Kind != a.Kind || b.Step != a.Step || b.Epoch < s.Send.Thread.Replayed {
			continue
		}
		if first.IsZero() {
			first = b.At
		}
		if b.Status == AttemptFailed && b.ProviderID != "" {
			taken++
		}
	}
	if max(s.Send.Tries+1, taken) >= tries {
		return false
	}
	return limit.Age == 0 || first.IsZero() || at.Before(first.Add(limit.Age))
}

// again makes the same message due once more: at once over another sender, when there is one, else over the same one later. Who is
// in a conversation hears from the sender that they know.
func (s *State) again(a *Attempt, r Result, at time.Time, why Reason, now time.Time) {
	if r.Other == "" || conversational(a.Kind) {
		s.wait(a.Sender, at, why, now)
		return
	}
	s.over(r.Other, why, now)
	s.wait(r.Other, now, why, now)
}

func reasonOf(fault string) Reason {
	switch fault {
	case FaultTransient:
		return ReasonAttempts
	case FaultUnreachable:
		return ReasonUnreachable
	case FaultUnconfirmed:
		return ReasonUncertain
	case FaultMisconfigured:
		return ReasonMisconfigured
	default:
		return ReasonProviderRejected
	}
}

// last reports whether no later attempt of the same message exists.
func (s *State) last(a *Attempt) bool {
	for i := len(s.Attempts) - 1; i >= 0; i-- {
		if b := &s.Attempts[i]; b.Kind == a.Kind && b.Step == a.Step {
			return b.ID == a.ID
		}
	}
	return false
}

func (s *State) attempt(id string) *Attempt {
	for i := range s.Attempts {
		if s.Attempts[i].ID == id {
			return &s.Attempts[i]
		}
	}
	return nil
}
