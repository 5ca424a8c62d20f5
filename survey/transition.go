package survey

import (
	"fmt"
	"time"
)

// The limits of a thin plan.
const (
	MaxTries       = 8              // transient faults of one message before the next step
	UncertainGrace = 24 * time.Hour // how long an attempt may stay uncertain before its send is closed
	pauseAfter     = 15 * time.Minute
	maxSaid        = 4 // messages of ours in answer to replies (law 8)
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

// A Result is what a provider said to one attempt.
type Result struct {
	Fault      string // FaultNone = taken
	ProviderID string
	Code       string
	Segments   int
	RetryAfter time.Duration // of a transient fault; 0 = Backoff decides
	Backoff    time.Duration // with jitter already in it
}

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

// Settle carries out a decision that is not Go. It is ErrConflict when another has the send.
func Settle(s *State, lane string, epoch int64, d Decision, now time.Time) error {
	if err := s.held(lane, epoch); err != nil {
		return err
	}
	switch d.Verdict {
	case Hold:
		s.wait(lane, d.Until, d.Reason, now)
		s.Record(now, "send.held", "reason", string(d.Reason), "until", d.Until, "decision", d)
	case Skip:
		s.Record(now, "step.skipped", "step", s.Send.Step, "reason", string(d.Reason), "decision", d)
		s.advance(d.Reason, now)
	case Stop:
		if d.Status == Expired && progress(s.Send.Status) >= progress(Sent) { // a step has reached a provider in time
			s.rest()
			s.Record(now, "step.skipped", "step", s.Send.Step, "reason", string(d.Reason))
			return nil
		}
		if conversational(s.Send.Kind) {
			s.rest()
			s.Record(now, "message.dropped", "kind", string(s.Send.Kind), "reason", string(d.Reason))
			return nil
		}
		s.end(d.Status, d.Reason, now, "decision", d)
	case Go:
	}
	return nil
}

// Claim records that a is about to be handed to its provider (law 3). It is ErrConflict when another has
// the send. When what happened meanwhile forbids the attempt, the state says so instead and a is not among its attempts: a STOP,
// or an attempt of this step whose result was never recorded.
func Claim(s *State, a Attempt, lease time.Time, d Decision, extra map[string]any, now time.Time) error {
	if err := s.held(a.Sender, a.Epoch); err != nil {
		return err
	}
	if scope, _ := s.suppressed(); scope != "" && a.Kind != OptOut {
		v := Stop
		if scope == ScopeChannel {
			v = Skip
		}
		return Settle(s, a.Sender, a.Epoch, Decision{Version: DecisionVersion, Verdict: v, Status: Suppressed, Reason: ReasonOptedOut}, now)
	}
	if open := s.open(a.Kind, a.Step); open != nil {
		s.resolve(open, now)
		return nil
	}
	a.SendID, a.Status, a.At, a.UpdatedAt = s.Send.ID, AttemptClaimed, now, now
	s.Attempts = append(s.Attempts, a)
	s.Send.DueAt = lease
	if progress(s.Send.Status) == 0 {
		s.Send.Status, s.Send.Reason = Sending, ReasonNone
	}
	s.Send.UpdatedAt = now
	if !conversational(a.Kind) && a.Channel != Email {
		s.Send.Thread = Thread{Channel: a.Channel, Sender: a.Sender, Address: a.Address, Asking: QuestionScore}
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

// open finds an attempt of this message whose result is not known.
func (s *State) open(k Kind, step int) *Attempt {
	for i := range s.Attempts {
		a := &s.Attempts[i]
		if a.Kind == k && a.Step == step && (a.Status == AttemptClaimed || a.Status == AttemptUncertain) {
			return a
		}
	}
	return nil
}

// resolve deals with an attempt whose result was never recorded: it waits for the provider's receipt, and when its grace
// time is over the send is closed. It is never sent again.
func (s *State) resolve(a *Attempt, now time.Time) {
	if a.Status == AttemptClaimed {
		a.Status, a.UpdatedAt = AttemptUncertain, now
		s.Record(now, "attempt.uncertain", "attempt", a.ID, "why", "result never recorded")
	}
	if due := a.At.Add(UncertainGrace); due.After(now) {
		s.Send.DueAt, s.Send.UpdatedAt = due, now
		return
	}
	if conversational(a.Kind) {
		s.rest()
		return
	}
	s.end(Failed, ReasonUncertain, now, "attempt", a.ID)
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
	// A lease may have ended while the provider was slow: the message is still this attempt's, and whoever took the send
	// meanwhile loses it by the new epoch.
	ours := s.Send.Lane == a.Sender && s.Send.Kind == a.Kind && s.Send.Step == a.Step && s.last(a)
	if ours && s.Send.Epoch != a.Epoch {
		s.Send.Epoch++
	}
	switch r.Fault {
	case FaultNone:
		if AttemptAccepted.Rank() > a.Status.Rank() {
			a.Status, a.UpdatedAt = AttemptAccepted, now
			s.Record(now, "attempt.accepted", "attempt", a.ID, "provider_id", r.ProviderID)
		}
		s.taken(a, ours, now)
	case FaultUnconfirmed:
		if a.Status != AttemptClaimed {
			return nil // a receipt was faster
		}
		a.Status, a.Fault, a.Code, a.UpdatedAt = AttemptUncertain, r.Fault, r.Code, now
		s.Record(now, "attempt.uncertain", "attempt", a.ID, "code", r.Code, "why", "no answer after the request went out")
		if ours {
			s.Send.DueAt, s.Send.UpdatedAt = now.Add(UncertainGrace), now
		}
	default:
		if a.Status.Rank() > AttemptUncertain.Rank() {
			return nil // a receipt was faster
		}
		s.failed(a, r, ours, now)
	}
	return nil
}

// taken: a provider has the message. What comes next is the next step of the plan, unless this one's success is reached.
func (s *State) taken(a *Attempt, ours bool, now time.Time) {
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
	if !ours || a.Step >= len(s.Send.Plan) {
		return
	}
	step := s.Send.Plan[a.Step]
	next := a.Step + 1
	if next >= len(s.Send.Plan) || step.reached(a.Status) || progress(s.Send.Status) >= progress(Answered) {
		s.rest()
		return
	}
	s.Send.Step, s.Send.Tries = next, 0
	s.Send.Lane, s.Send.DueAt = s.Send.Plan[next].Sender, now.Add(step.Wait)
	s.Record(now, "step.waiting", "step", next, "until", s.Send.DueAt)
}

// reached reports whether an attempt in this state needs no further step.
func (st Step) reached(a AttemptStatus) bool {
	want := st.Success
	if want == "" {
		want = AttemptAccepted
	}
	return a != AttemptFailed && a.Rank() >= want.Rank()
}

// failed: the provider surely did not take the message, or it surely did not arrive.
func (s *State) failed(a *Attempt, r Result, ours bool, now time.Time) {
	a.Status, a.Fault, a.Code, a.UpdatedAt = AttemptFailed, r.Fault, r.Code, now
	s.Record(now, "attempt.failed", "attempt", a.ID, "fault", r.Fault, "code", r.Code)
	if r.Fault == FaultOptedOut {
		s.suppress(Suppression{Channel: a.Channel, Address: a.Address, Scope: ScopeAll, Reason: "provider", Source: a.Sender}, now)
		s.stop(now)
		return
	}
	if !ours {
		return
	}
	switch {
	case r.Fault == FaultTransient && s.Send.Tries+1 < MaxTries:
		s.Send.Tries++
		s.wait(a.Sender, now.Add(max(r.Backoff, r.RetryAfter)), ReasonTransient, now)
	case r.Fault == FaultNotSent:
		s.wait(a.Sender, now.Add(max(r.Backoff, r.RetryAfter)), ReasonThrottled, now)
	case r.Fault == FaultMisconfigured:
		s.wait(a.Sender, now.Add(pauseAfter), ReasonMisconfigured, now)
	case conversational(a.Kind):
		s.rest()
	default:
		s.advance(reasonOf(r.Fault), now)
	}
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

// advance starts the next step of the plan, or closes the send when there is none and no provider has it.
func (s *State) advance(why Reason, now time.Time) {
	s.Send.Tries = 0
	for next := s.Send.Step + 1; next < len(s.Send.Plan); next++ {
		if s.Send.Recipient.Address(s.Send.Plan[next].Channel) == "" {
			continue
		}
		s.Send.Step = next
		s.wait(s.Send.Plan[next].Sender, now, why, now)
		s.Record(now, "step.started", "step", next, "why", string(why))
		return
	}
	for _, a := range s.Attempts {
		switch {
		case conversational(a.Kind):
		case a.Status == AttemptAccepted, a.Status == AttemptSent, a.Status == AttemptDelivered, a.Status == AttemptRead:
			s.rest() // another step reached the person
			return
		case a.Status == AttemptUncertain || a.Status == AttemptClaimed:
			s.Send.Step = a.Step
			s.wait(a.Sender, a.At.Add(UncertainGrace), ReasonUncertain, now)
			return
		}
	}
	status := Failed
	if why == ReasonOptedOut {
		status = Suppressed
	}
	s.end(status, why, now)
}

// Drop closes the message that is due because it cannot be made (law 2: with its reason).
func Drop(s *State, lane string, epoch int64, why Reason, detail string, now time.Time) error {
	if err := s.held(lane, epoch); err != nil {
		return err
	}
	s.Record(now, "message.dropped", "kind", string(s.Send.Kind), "reason", string(why), "detail", detail)
	if conversational(s.Send.Kind) {
		s.rest()
		return nil
	}
	s.advance(why, now)
	return nil
}

// A Report is a provider's word about a message that it took.
type Report struct {
	AttemptID  string
	Sender     string // who reports: of another's attempt it knows nothing; "" = not checked
	ProviderID string
	Status     AttemptStatus
	Fault      string // of a failed one; FaultNone counts as rejected
	Code       string
	Backoff    time.Duration // before a transient failure is tried again
	At         time.Time     // as the provider says; zero = unknown
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
		// The plan may wait for this attempt's success already: then its next step starts now.
		waiting := s.Send.Step == a.Step+1 && !s.tried(s.Send.Step)
		if waiting {
			s.Send.Step = a.Step
		}
		resting := s.Send.Lane == "" && s.Send.Step == a.Step && progress(s.Send.Status) <= progress(Sent)
		holding := s.Send.Lane == a.Sender && s.Send.Step == a.Step
		ours := s.Send.Kind == a.Kind && !s.Send.Status.Final() && (waiting || resting || holding)
		if ours {
			s.Send.Epoch++
		}
		s.failed(a, Result{Fault: fault, Code: r.Code, Backoff: r.Backoff}, ours, now)
		return nil
	}
	a.Status, a.UpdatedAt = r.Status, now
	s.Record(now, "attempt."+string(r.Status), "attempt", a.ID, "provider_id", a.ProviderID)
	s.settled(a, now)
	return nil
}

// settled: an attempt is known to have been taken. Its step's wait or grace time has no more purpose.
func (s *State) settled(a *Attempt, now time.Time) {
	holding := s.Send.Kind == a.Kind && s.Send.Lane == a.Sender && s.Send.Step == a.Step
	waiting := s.Send.Kind == a.Kind && s.Send.Lane != "" && s.Send.Step == a.Step+1 && !s.tried(s.Send.Step)
	if holding {
		s.Send.Epoch++ // whoever still works on it has lost it
		s.taken(a, true, now)
		return
	}
	s.taken(a, false, now)
	if waiting && a.Step < len(s.Send.Plan) && s.Send.Plan[a.Step].reached(a.Status) {
		s.Send.Step = a.Step
		s.Send.Epoch++
		s.rest()
	}
}

func (s *State) tried(step int) bool {
	for _, a := range s.Attempts {
		if a.Step == step && !conversational(a.Kind) {
			return true
		}
	}
	return false
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

// Cancel ends a send that nobody has answered. It is ErrConflict when it has its outcome or an answer.
func Cancel(s *State, actor string, now time.Time) error {
	if s.Send.Status.Final() || s.Send.Status == Answered {
		return fmt.Errorf("send %s is %s: %w", s.Send.ID, s.Send.Status, ErrConflict)
	}
	s.Send.Epoch++
	s.end(Cancelled, ReasonCancelled, now, "actor", actor)
	return nil
}

// suppress adds an address to those that are not written to.
func (s *State) suppress(sup Suppression, now time.Time) {
	if sup.Address == "" {
		return
	}
	for _, have := range s.Suppressions {
		if have.Channel == sup.Channel && have.Address == sup.Address && (have.Scope == sup.Scope || have.Scope == ScopeAll) {
			return
		}
	}
	sup.Mode, sup.SendID, sup.At = s.Send.Mode, s.Send.ID, now
	s.Suppressions = append(s.Suppressions, sup)
	s.Record(now, "contact.suppressed", "channel", string(sup.Channel), "scope", sup.Scope, "reason", sup.Reason)
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
