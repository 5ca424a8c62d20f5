package survey

import (
	"fmt"
	"slices"
	"time"
)

// MaxReplayLife bounds what a replay gives a send whose time is over: its own life, but no more than this.
const MaxReplayLife = 7 * 24 * time.Hour

// DeadLetterReasons lists the reasons of a failed send that make it a dead letter: it was meant to go out, and somebody
// may mend what stopped it.
func DeadLetterReasons() []Reason {
	return []Reason{
		ReasonAttempts, ReasonProviderRejected, ReasonUnreachable, ReasonMisconfigured, ReasonRender, ReasonNoSender, ReasonNoAddress,
		ReasonUncertain,
	}
}

// DeadLetter reports whether a send failed and may be replayed.
func (s *Send) DeadLetter() bool {
	return s.Status == Failed && slices.Contains(DeadLetterReasons(), s.Reason)
}

// A Letter is a dead letter as lists show it.
type Letter struct {
	Send   Send
	Sender string // of the last attempt; "" when none was made
	Fault  string // of the last attempt, as channels.Fault names it
	Code   string // the provider's own, of the last attempt
}

// A LetterFilter selects dead letters; zero members select all.
type LetterFilter struct {
	Mode   Mode
	Survey string
	Reason Reason
	Sender string // of the last attempt
	Fault  string
	Code   string
	Since  time.Time // failed then or later
	Cursor string
	Limit  int // 0 = 50

	// Exact says that Sender, Fault and Code have to be as they are here when they are empty too: one class of a summary.
	Exact bool
	// Sure leaves out those whose message may have been delivered.
	Sure bool
}

// A LetterCount is how many dead letters of a mode have one cause.
type LetterCount struct {
	Reason Reason
	Sender string
	Fault  string
	Code   string
	Count  int64
	First  time.Time // when the first and
	Last   time.Time // the last of them failed
}

// Replayed opens a dead letter again under its own id: it is due at once, with all its tries. It begins at the first
// step that was not found unreachable, or, when a provider has an earlier message of it, at the step on which it ended.
// An attempt whose result was never known counts as failed from now on: whoever replays says that it did not arrive. A send that is over
// gets its life again, from its acceptance to its expiry, at most MaxReplayLife. ErrConflict when it is no dead letter.
func Replayed(s *State, actor string, now time.Time) error {
	if !s.Send.DeadLetter() || len(s.Send.Plan) == 0 {
		return fmt.Errorf("send %s is %s and no dead letter: %w", s.Send.ID, s.Send.Status, ErrConflict)
	}
	if s.Response != nil || s.Send.Thread.Heard != "" || slices.ContainsFunc(s.Attempts, func(a Attempt) bool {
		return !conversational(a.Kind) && a.Status.Rank() >= AttemptDelivered.Rank()
	}) {
		return fmt.Errorf("send %s has reached its person after all: %w", s.Send.ID, ErrConflict)
	}
	why := s.Send.Reason
	for i := range s.Attempts {
		if a := &s.Attempts[i]; a.Status == AttemptUncertain || a.Status == AttemptClaimed {
			a.Status, a.Fault, a.UpdatedAt = AttemptFailed, FaultUnconfirmed, now
			s.Record(now, "attempt.failed", "attempt", a.ID, "fault", a.Fault, "why", "given up by a replay")
		}
	}
	step := s.replayStep()
	m := &s.Send
	if !m.ExpiresAt.After(now) {
		m.ExpiresAt = now.Add(min(m.ExpiresAt.Sub(m.CreatedAt), MaxReplayLife))
	}
	m.Kind = Invitation
	if k := m.Plan[step].Kind; k != "" {
		m.Kind = k
	}
	m.Status, m.Reason, m.UpdatedAt = Scheduled, ReasonNone, now
	m.Step, m.Tries, m.Lane, m.DueAt = step, 0, m.Plan[step].Sender, now
	m.Epoch++
	m.Thread.Replayed = m.Epoch
	s.Record(now, "send.replayed", "actor", actor, "reason", string(why), "step", step, "expires_at", m.ExpiresAt)
	return nil
}

// replayStep is where a dead letter begins again.
func (s *State) replayStep() int {
	last := min(s.Send.Step, len(s.Send.Plan)-1)
	lost := make([]bool, last+1)
	for _, a := range s.Attempts {
		if conversational(a.Kind) || a.Step > last {
			continue
		}
		if a.Status != AttemptFailed { // a provider took it
			return last
		}
		lost[a.Step] = a.Fault == FaultUnreachable // of the last attempt of the step: they are in order
	}
	if first := slices.Index(lost, false); first >= 0 {
		return first
	}
	return last
}
