package survey

import (
	"fmt"
	"time"
)

// A Report is a provider's word about a message that it took.
type Report struct {
	AttemptID  string
	Sender     string // who reports: of another's attempt it knows nothing; "" = not checked
	ProviderID string
	Status     AttemptStatus
	Fault      string // of a failed one; FaultNone counts as rejected
	Code       string
	Backoff    time.Duration // before a transient failure is tried again
	Retry      Retry         // of a transient failure
	At         time.Time     // as the provider says; zero = unknown
	Found      bool          // by a look-up of ours
}

// Heard records a report. Reports may repeat and come in any order: an attempt's status only rises.
func Heard(s *State, r Report, now time.Time) error {
	a := s.attempt(r.AttemptID)
	if a == nil {
		return fmt.Errorf("attempt %s of send %s: %w", r.AttemptID, s.Send.ID, ErrNotFound)
	}
	if r.Sender != "" && r.Sender != a.Sender {
		return fmt.Errorf("attempt %s is not of sender %s: %w", a.ID, r.Sender, ErrNotFound)
	}
	if r.Status.Rank() <= a.Status.Rank() {
		return nil
	}
	if r.ProviderID != "" && a.ProviderID == "" {
		a.ProviderID = r.ProviderID
	}
	if r.Status == AttemptFailed {
		fault := r.Fault
		if fault == FaultNone || fault == FaultUnconfirmed {
			fault = FaultRejected
		}
		s.failed(a, Result{Fault: fault, Code: r.Code, Backoff: r.Backoff, Retry: r.Retry}, s.reclaim(a), now)
		return nil
	}
	a.Status, a.UpdatedAt = r.Status, now
	why := ""
	if r.Found {
		why = "look-up"
	}
	s.Record(now, "attempt."+string(r.Status), "attempt", a.ID, "provider_id", a.ProviderID, "why", why)
	s.settled(a, now)
	return nil
}

// reclaim makes the message of an attempt that turns out to have failed the one that is due again, when nothing came after it.
func (s *State) reclaim(a *Attempt) bool {
	if s.Send.Status.Final() || !s.last(a) {
		return false
	}
	holding := s.Send.Lane == a.Sender && s.Send.Kind == a.Kind && s.Send.Step == a.Step
	resting := s.Send.Lane == "" && s.Send.Kind == a.Kind && s.Send.Step == a.Step && progress(s.Send.Status) <= progress(Sent) && !s.heard()
	waiting := s.waiting(a)
	if waiting { // its next step starts now
		s.Send.Step, s.Send.Kind = a.Step, a.Kind
	}
	if !holding && !resting && !waiting {
		return false
	}
	s.Send.Epoch++
	return true
}

// waiting reports whether the plan waits for what becomes of this attempt, or for the time of the reminder after it.
func (s *State) waiting(a *Attempt) bool {
	if s.Send.Lane == "" || conversational(s.Send.Kind) || conversational(a.Kind) || s.Send.Step <= a.Step || s.tried(s.Send.Step) {
		return false
	}
	for i := len(s.Attempts) - 1; i >= 0; i-- {
		if b := &s.Attempts[i]; !conversational(b.Kind) {
			return b.ID == a.ID
		}
	}
	return false
}

// settled: an attempt is known to have been taken. Its step's wait or grace time has no more purpose.
func (s *State) settled(a *Attempt, now time.Time) {
	if s.Send.Kind == a.Kind && s.Send.Lane != "" && s.Send.Step == a.Step {
		s.Send.Epoch++ // whoever still works on it has lost it
		s.taken(a, true, now)
		return
	}
	waiting := s.waiting(a) && s.Send.Kind == Invitation && a.Step < len(s.Send.Plan) && s.Send.Plan[a.Step].reached(a.Status)
	s.taken(a, false, now)
	if waiting {
		s.Send.Epoch++
		s.Send.Step = a.Step
		s.remind(a, a.Step, now)
	}
}

// reaches: an address that was held to be nobody's has an owner after all.
func (s *State) reaches(c Channel, address string, now time.Time) {
	kept := s.Suppressions[:0:0]
	for _, sup := range s.Suppressions {
		if sup.Scope == ScopeUnreachable && sup.Channel == c && sup.Address == address {
			s.Lift = append(s.Lift, sup)
			s.Record(now, "contact.reached", "channel", string(c))
			continue
		}
		kept = append(kept, sup)
	}
	s.Suppressions = kept
}
