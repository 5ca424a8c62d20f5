package survey

import (
	"fmt"
	"time"
)

// doubtAfter is when an attempt that a crash left behind is looked at for the first time.
const doubtAfter = time.Minute

// open finds an attempt of the message that is due whose result is not known.
func (s *State) open() *Attempt {
	for i := range s.Attempts {
		a := &s.Attempts[i]
		if a.Kind == s.Send.Kind && a.Step == s.Send.Step && (a.Status == AttemptClaimed || a.Status == AttemptUncertain) {
			return a
		}
	}
	return nil
}

// doubt: what became of an attempt is not known.
func (s *State) doubt(a *Attempt, why string, now time.Time) {
	if a.Status != AttemptClaimed {
		return
	}
	a.Status, a.UpdatedAt = AttemptUncertain, now
	s.Record(now, "attempt.uncertain", "attempt", a.ID, "code", a.Code, "why", why)
}

// Unsettled gives the attempt that stands in the way of the message that is due, because its result is not known; nil when none
// does. It is settled by a report, by a look-up (Heard, Finish or Doubt), or by Again.
func Unsettled(s *State) *Attempt { return s.open() }

// Doubt leaves an attempt uncertain, to be looked at again at next. When grace has passed since it was made, the send is closed
// instead: it failed, uncertain, and is never sent again. It is ErrConflict when another has the send or has settled the attempt.
func Doubt(s *State, lane string, epoch int64, attemptID string, next time.Time, grace time.Duration, now time.Time) error {
	a, err := s.doubted(lane, epoch, attemptID)
	if err != nil {
		return err
	}
	s.doubt(a, "result never recorded", now)
	s.Send.Epoch++
	s.Send.Thread.Looked++
	end := a.At.Add(grace)
	switch {
	case now.Before(end):
		if next.After(end) {
			next = end
		}
		s.Send.DueAt, s.Send.UpdatedAt = next, now
	case conversational(a.Kind):
		s.rest()
		s.Record(now, "message.dropped", "kind", string(a.Kind), "reason", string(ReasonUncertain))
	case s.reached(): // by another step
		s.rest()
		s.Record(now, "step.skipped", "step", a.Step, "reason", string(ReasonUncertain))
	default:
		s.end(Failed, ReasonUncertain, now, "attempt", a.ID)
	}
	return nil
}

// Again records that an uncertain attempt is handed to its provider once more under its own id, which the provider takes once only.
// What is finished then is the attempt of before. After tries repetitions, or a STOP, it is not: again is false.
func Again(s *State, lane string, epoch int64, attemptID string, tries int, lease, now time.Time) (again bool, err error) {
	a, err := s.doubted(lane, epoch, attemptID)
	if err != nil {
		return false, err
	}
	s.doubt(a, "result never recorded", now)
	late := !conversational(a.Kind) && !now.Before(s.Send.ExpiresAt)
	if _, no := s.forbidden(); (no && a.Kind != OptOut) || late || s.Send.Thread.Looked >= tries {
		return false, nil
	}
	s.Send.Thread.Looked++
	s.Send.DueAt, s.Send.UpdatedAt = lease, now
	s.Record(now, "attempt.repeated", "attempt", a.ID)
	return true, nil
}

func (s *State) doubted(lane string, epoch int64, attemptID string) (*Attempt, error) {
	if err := s.held(lane, epoch); err != nil {
		return nil, err
	}
	a := s.open()
	if a == nil || a.ID != attemptID {
		return nil, fmt.Errorf("attempt %s of send %s is settled: %w", attemptID, s.Send.ID, ErrConflict)
	}
	return a, nil
}

// Unproven gives the result of a repetition the meaning that it has for an attempt which may have been taken before: that the
// provider cannot be asked now says nothing of what it did then.
func (r Result) Unproven() Result {
	switch r.Fault {
	case FaultTransient, FaultMisconfigured, FaultNotSent:
		r.Fault, r.Doubt = FaultUnconfirmed, max(r.Backoff, r.RetryAfter)
	}
	return r
}
