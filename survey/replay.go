package survey

import (
	"cmp"
	"container/heap"
	"iter"
	"maps"
	"slices"
	"time"
)

// A PastSend is a send as it went.
type PastSend struct {
	Send          Send      // with its outcome
	InvitedAt     time.Time // of its first invitation that was not refused; zero = none
	LastInvitedAt time.Time // of its last invitation or reminder
	AnsweredAt    time.Time // zero = never
}

// A PolicyReport is what a policy would have made of a history. What it cannot know, it says how it counts: an answer is kept when its
// send is, also when that would have gone later or with another survey; of a send that was held back it is expected that
// people answer as they answered the same survey.
type PolicyReport struct {
	Sends  int            `json:"sends"`  // in the history
	Before Outcome        `json:"before"` // as it was
	After  Outcome        `json:"after"`  // as it would have been
	Other  map[string]int `json:"other"`  // sends that no policy decided, by status and reason: they are in neither

	Lost            int           `json:"lost"`             // sent, and would not have been
	LostAnswers     int           `json:"lost_answers"`     // of these
	Gained          int           `json:"gained"`           // held back, and would have been sent
	ExpectedAnswers float64       `json:"expected_answers"` // of these, at the rate of their survey
	Delayed         int           `json:"delayed"`          // sent before and after, but later
	LongestDelay    time.Duration `json:"longest_delay"`    // nanoseconds
	Swapped         int           `json:"swapped"`          // sent with another survey

	Surveys []SurveyReport `json:"surveys"` // by id
}

// An Outcome counts what became of sends.
type Outcome struct {
	Sent     int            `json:"sent"`
	Answered int            `json:"answered"`
	Dropped  map[Reason]int `json:"dropped"`
}

// A SurveyReport is the part of one survey, as the sends asked for it.
type SurveyReport struct {
	Survey          string  `json:"survey"`
	SentBefore      int     `json:"sent_before"`
	SentAfter       int     `json:"sent_after"`
	AnsweredBefore  int     `json:"answered_before"`
	LostAnswers     int     `json:"lost_answers"`
	Gained          int     `json:"gained"`
	ExpectedAnswers float64 `json:"expected_answers"`
}

// ReplayPolicy decides every send of a history again, each at the moment of its first invitation, or of its refusal, under p. Sends
// are taken in the order of their creation. Those created before since are not decided: they happened, for the fatigue of those
// after them. Nothing is known of suppressions and sessions of that time; who had left did so before any policy.
func ReplayPolicy(p Policy, since time.Time, history iter.Seq2[PastSend, error]) (PolicyReport, error) {
	p.TestToo = true // the rules are what is asked about
	r := &replay{p: p, since: since, longest: p.Longest(), people: map[string]*person{}, surveys: map[string]*SurveyReport{}}
	r.report.Before.Dropped, r.report.After.Dropped, r.report.Other = map[Reason]int{}, map[Reason]int{}, map[string]int{}
	for s, err := range history {
		if err != nil {
			return PolicyReport{}, err
		}
		r.until(s.Send.CreatedAt)
		if start, ok := s.start(); ok {
			heap.Push(&r.due, replayed{at: start, start: start, past: s})
		} else if !s.Send.CreatedAt.Before(since) {
			r.report.Sends++
			r.report.Other[string(s.Send.Status)+" "+string(s.Send.Reason)]++
		}
	}
	for r.due.Len() > 0 {
		r.step()
	}
	return r.finish(), nil
}

// start is when the send was decided; false when no policy decided what became of it.
func (s *PastSend) start() (time.Time, bool) {
	switch {
	case !s.InvitedAt.IsZero():
		return s.InvitedAt, true
	case s.heldBack():
		return s.Send.UpdatedAt, true
	default:
		return time.Time{}, false
	}
}

// heldBack reports whether a policy refused the send.
func (s *PastSend) heldBack() bool {
	if s.Send.Status != Suppressed || !s.InvitedAt.IsZero() {
		return false
	}
	switch s.Send.Reason {
	case ReasonCooldown, ReasonLimit, ReasonNoConsent:
		return true
	default:
		return false
	}
}

// A replay is a simulation: what is due next is decided, and may be due again later.
type replay struct {
	p       Policy
	since   time.Time
	longest time.Duration
	due     dueQueue
	people  map[string]*person // by contact and address
	surveys map[string]*SurveyReport
	report  PolicyReport
}

type replayed struct {
	at, start time.Time
	past      PastSend
}

// A person is whoever shares a contact or an address.
type person struct {
	keys []string
	past []Past
}

// until decides what was due before t.
func (r *replay) until(t time.Time) {
	for r.due.Len() > 0 && r.due[0].at.Before(t) {
		r.step()
	}
}

func (r *replay) step() {
	x := heap.Pop(&r.due).(replayed)
	who := r.person(&x.past.Send)
	if x.past.Send.CreatedAt.Before(r.since) {
		if !x.past.InvitedAt.IsZero() {
			r.remember(who, &x, x.past.Send.asks())
		}
		return
	}
	s := &State{Send: x.past.Send}
	s.Send.Kind, s.Send.Step, s.Send.Thread = Invitation, 0, Thread{}
	known := Facts{Past: who.known(x.at, r.longest)}
	d := Decide(s, known, r.p, x.at)
	for d.Verdict == Skip && s.Send.Step+1 < len(s.Send.Plan) {
		s.Send.Step++
		d = Decide(s, known, r.p, x.at)
	}
	switch d.Verdict {
	case Hold:
		x.at = d.Until
		heap.Push(&r.due, x)
	case Stop, Skip:
		r.count(&x, d)
	case Go:
		r.remember(who, &x, x.past.Send.Survey)
		r.count(&x, d)
	case Swap:
		r.remember(who, &x, d.Instead)
		r.count(&x, d)
	}
}

// asks is the survey that was asked.
func (s *Send) asks() string {
	survey, _ := s.Asks()
	return survey
}

// count records the last decision of a send.
func (r *replay) count(x *replayed, d Decision) {
	was, answered, is := !x.past.InvitedAt.IsZero(), !x.past.AnsweredAt.IsZero(), d.Verdict == Go || d.Verdict == Swap
	sv := r.surveys[x.past.Send.Survey]
	if sv == nil {
		sv = &SurveyReport{Survey: x.past.Send.Survey}
		r.surveys[sv.Survey] = sv
	}
	o := &r.report
	o.Sends++
	if was {
		o.Before.Sent++
		sv.SentBefore++
	} else {
		o.Before.Dropped[x.past.Send.Reason]++
	}
	if is {
		o.After.Sent++
		sv.SentAfter++
	} else {
		o.After.Dropped[d.Reason]++
	}
	if answered {
		o.Before.Answered++
		sv.AnsweredBefore++
	}
	switch {
	case was && !is:
		o.Lost++
		if answered {
			o.LostAnswers++
			sv.LostAnswers++
		}
	case is && !was:
		o.Gained++
		sv.Gained++
	case is:
		if late := x.at.Sub(x.start); late > 0 {
			o.Delayed++
			o.LongestDelay = max(o.LongestDelay, late)
		}
	}
	if is && answered {
		o.After.Answered++
	}
	if d.Verdict == Swap {
		o.Swapped++
	}
}

func (r *replay) finish() PolicyReport {
	for _, id := range slices.Sorted(maps.Keys(r.surveys)) {
		sv := r.surveys[id]
		if sv.SentBefore > 0 {
			sv.ExpectedAnswers = float64(sv.Gained) * float64(sv.AnsweredBefore) / float64(sv.SentBefore)
		}
		r.report.ExpectedAnswers += sv.ExpectedAnswers
		r.report.Surveys = append(r.report.Surveys, *sv)
	}
	return r.report
}

// remember adds an invitation to what is known of a person.
func (r *replay) remember(who *person, x *replayed, asked string) {
	late := x.at.Sub(x.start)
	p := Past{SendID: x.past.Send.ID, Survey: asked, Touchpoint: x.past.Send.Transaction.Touchpoint, InvitedAt: x.at}
	if last := x.past.LastInvitedAt; last.After(x.past.InvitedAt) {
		p.InvitedAt = last.Add(late)
	}
	if !x.past.AnsweredAt.IsZero() {
		p.AnsweredAt = x.past.AnsweredAt.Add(late)
	}
	who.past = append(who.past, p)
}

// known is what was known of the person at a moment. What is too old to matter is forgotten.
func (w *person) known(at time.Time, longest time.Duration) []Past {
	old := at.Add(-longest)
	w.past = slices.DeleteFunc(w.past, func(p Past) bool { return p.InvitedAt.Before(old) && p.AnsweredAt.Before(old) })
	out := w.past
	for i, p := range w.past {
		if !p.InvitedAt.After(at) && !p.AnsweredAt.After(at) {
			continue
		}
		if len(out) > 0 && &out[0] == &w.past[0] {
			out = slices.Clone(w.past)
		}
		if p.AnsweredAt.After(at) {
			out[i].AnsweredAt = time.Time{}
		}
		if p.InvitedAt.After(at) { // a reminder to come: the invitation itself was before
			out[i].InvitedAt = at
		}
	}
	return out
}

// person finds who a send is to, and makes one of all who share something with it.
func (r *replay) person(s *Send) *person {
	var who *person
	var fresh []string
	for _, key := range [...]string{s.ContactID, s.Recipient.Email, s.Recipient.Phone, s.Recipient.ViberID} {
		if key == "" {
			continue
		}
		switch known := r.people[key]; {
		case known == nil:
			fresh = append(fresh, key)
		case who == nil:
			who = known
		case who != known:
			for _, k := range known.keys {
				r.people[k] = who
			}
			who.keys, who.past = append(who.keys, known.keys...), append(who.past, known.past...)
		}
	}
	if who == nil {
		who = &person{}
	}
	for _, key := range fresh {
		r.people[key] = who
	}
	who.keys = append(who.keys, fresh...)
	return who
}

// A dueQueue is a heap.Interface, the earliest first, at one moment the earliest created.
type dueQueue []replayed

func (q dueQueue) Len() int { return len(q) }
func (q dueQueue) Less(i, j int) bool {
	return cmp.Or(q[i].at.Compare(q[j].at), q[i].past.Send.CreatedAt.Compare(q[j].past.Send.CreatedAt), cmp.Compare(q[i].past.Send.ID, q[j].past.Send.ID)) < 0
}
func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is heap's.
func (q *dueQueue) Push(x any) { *q = append(*q, x.(replayed)) }

// Pop is heap's.
func (q *dueQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}
