package survey

import (
	"fmt"
	"slices"
	"time"
)

// A plan is a ladder of invitations and, after it, reminders. The next rung is tried when the wait of the one before passes without
// its success, or its fault is final. Once the person is reached, or the ladder has ended and somebody took a message, the reminders
// follow, each so long after the message before it. Any reply, answer, STOP or cancel ends all of it.

// A Wish is how a caller wants a send to go. The zero value leaves it to the configuration.
type Wish struct {
	Channels  []Channel  // to try, in this order; nil = any
	Steps     []Step     // instead of Channels; a Sender of "" is the first of its channel
	Reminders *Reminders // nil = as the policy says
}

// Reminders say how often somebody who does not answer is asked again.
type Reminders struct {
	Count   int           // 0 = never
	After   time.Duration // since the message before
	Channel Channel       // "" = where the person was reached
}

// kind is what a step sends.
func (st Step) kind() Kind {
	if st.Kind == Reminder {
		return Reminder
	}
	return Invitation
}

// reached reports whether an attempt in this state needs no further rung.
func (st Step) reached(a AttemptStatus) bool {
	switch {
	case a == AttemptFailed || st.Success == AttemptAnswered: // an answer ends the plan by itself
		return false
	case st.Success == "":
		return a.Rank() >= AttemptAccepted.Rank()
	default:
		return a.Rank() >= st.Success.Rank()
	}
}

// rung is the next step of the ladder that has an address; false when there is none.
func (s *State) rung(after int) (int, bool) {
	for next := after + 1; next < len(s.Send.Plan); next++ {
		st := s.Send.Plan[next]
		if st.kind() == Invitation && s.Send.Recipient.Address(st.Channel) != "" {
			return next, true
		}
	}
	return 0, false
}

// put makes a step of the plan the one that is due.
func (s *State) put(step int, due time.Time, why Reason, now time.Time) {
	st := s.Send.Plan[step]
	s.Send.Step, s.Send.Kind, s.Send.Tries, s.Send.Thread.Looked = step, st.kind(), 0, 0
	s.wait(st.Sender, due, why, now)
}

// follow schedules what comes after an attempt that a provider took.
func (s *State) follow(a *Attempt, now time.Time) {
	if a.Step >= len(s.Send.Plan) {
		s.rest()
		return
	}
	step := s.Send.Plan[a.Step]
	next, ok := s.rung(a.Step)
	if !ok || step.kind() == Reminder || step.reached(a.Status) || s.heard() {
		s.remind(a, a.Step, now)
		return
	}
	s.put(next, now.Add(step.Wait), ReasonNone, now)
	s.Record(now, "step.waiting", "step", next, "until", s.Send.DueAt)
}

// heard reports whether the person has said anything: then nobody asks again.
func (s *State) heard() bool {
	return s.Send.Thread.Heard != "" || progress(s.Send.Status) >= progress(Answered)
}

// remind schedules the first reminder after a step of the plan, where the person was reached by a. There may be none.
func (s *State) remind(a *Attempt, after int, now time.Time) {
	s.rest()
	if s.heard() {
		return
	}
	for next := after + 1; next < len(s.Send.Plan); next++ {
		st := s.Send.Plan[next]
		if st.Kind != Reminder {
			continue
		}
		due := now.Add(st.After)
		if !due.Before(s.Send.ExpiresAt) {
			return
		}
		if st.Sender == "" || s.Send.Recipient.Address(st.Channel) == "" {
			s.Send.Plan = slices.Clone(s.Send.Plan) // states share it
			s.Send.Plan[next].Channel, s.Send.Plan[next].Sender = a.Channel, a.Sender
		}
		s.put(next, due, ReasonNone, now)
		s.Record(now, "reminder.waiting", "step", next, "until", due)
		return
	}
}

// advance starts the next step of the plan, or closes the send when there is none and no provider has it.
func (s *State) advance(why Reason, now time.Time) {
	s.Send.Tries = 0
	if next, ok := s.rung(s.Send.Step); ok && s.Send.Kind == Invitation {
		s.put(next, now, why, now)
		s.Record(now, "step.started", "step", next, "why", string(why))
		return
	}
	for i := len(s.Attempts) - 1; i >= 0; i-- {
		a := &s.Attempts[i]
		switch {
		case conversational(a.Kind):
		case a.Status == AttemptAccepted, a.Status == AttemptSent, a.Status == AttemptDelivered, a.Status == AttemptRead:
			s.remind(a, max(s.Send.Step, a.Step), now) // another step reached the person
			return
		case a.Status == AttemptUncertain || a.Status == AttemptClaimed:
			s.Send.Step, s.Send.Kind = a.Step, a.Kind
			s.wait(a.Sender, now.Add(doubtAfter), ReasonUncertain, now)
			return
		}
	}
	status := Failed
	if why == ReasonOptedOut {
		status = Suppressed
	}
	s.end(status, why, now)
}

// Move gives the message that is due to another sender of its channel, because the one whose lane it waits in cannot send. It is
// ErrConflict when another has the send, when it is part of a conversation, or when an attempt of it may have been taken.
func Move(s *State, lane string, epoch int64, to string, why Reason, now time.Time) error {
	if err := s.held(lane, epoch); err != nil {
		return err
	}
	if conversational(s.Send.Kind) || s.Send.Step >= len(s.Send.Plan) || s.open() != nil {
		return fmt.Errorf("send %s cannot change its sender: %w", s.Send.ID, ErrConflict)
	}
	s.over(to, why, now)
	s.Send.Epoch++
	s.Send.Lane, s.Send.UpdatedAt = to, now
	return nil
}

// over writes another sender into the present step.
func (s *State) over(to string, why Reason, now time.Time) {
	s.Send.Plan = slices.Clone(s.Send.Plan) // states share it
	step := &s.Send.Plan[s.Send.Step]
	s.Record(now, "step.moved", "step", s.Send.Step, "from", step.Sender, "to", to, "why", string(why))
	step.Sender = to
}

// reached reports whether a provider has an invitation of this send, or the person has.
func (s *State) reached() bool {
	if progress(s.Send.Status) >= progress(Delivered) {
		return true
	}
	for _, a := range s.Attempts {
		if !conversational(a.Kind) && a.Status != AttemptFailed && a.Status.Rank() >= AttemptAccepted.Rank() {
			return true
		}
	}
	return false
}

func (s *State) tried(step int) bool {
	for _, a := range s.Attempts {
		if a.Step == step && !conversational(a.Kind) {
			return true
		}
	}
	return false
}
