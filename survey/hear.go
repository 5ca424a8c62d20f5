package survey

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Reply is what a person said in a thread.
type Reply struct {
	InboundID string // the raw record it came in
	Channel   Channel
	Sender    string    // ours, that it was said to
	Address   string    // the person's
	Text      string    // verbatim
	Button    string    // payload of a tapped key; "" when typed
	At        time.Time // when the person said it; zero = now
}

// Of reports whether an address is one that this send was or can be sent to on a channel: a payload can be typed by anybody.
func (s *State) Of(c Channel, address string) bool {
	if address != "" && (s.Send.Recipient.Address(c) == address || s.Send.Thread.Channel == c && s.Send.Thread.Address == address) {
		return true
	}
	for _, a := range s.Attempts {
		if a.Channel == c && a.Address == address {
			return true
		}
	}
	return false
}

// Payload is what a key of a score sends back.
func Payload(sendID string, score int) string { return "odz:" + sendID + ":" + strconv.Itoa(score) }

// ParsePayload is the inverse of Payload.
func ParsePayload(p string) (sendID string, score int, ok bool) {
	rest, ok := strings.CutPrefix(p, "odz:")
	if !ok {
		return "", 0, false
	}
	sendID, digits, ok := strings.Cut(rest, ":")
	if !ok || sendID == "" {
		return "", 0, false
	}
	score, err := strconv.Atoi(digits)
	return sendID, score, err == nil
}

// Hear takes a reply into the conversation of s: it is understood, recorded, and answered at most once. The zero sv is a survey
// that is not installed any more: STOP and START need none, and what else is said is kept.
// Confirmed means that the provider has confirmed a STOP to the person already.
func Hear(s *State, sv Survey, r Reply, ids func(prefix string) string, confirmed bool, now time.Time) error {
	if slices.Contains(strings.Fields(s.Send.Thread.Heard), r.InboundID) {
		return nil
	}
	s.Record(now, "reply.received", "inbound", r.InboundID, "channel", string(r.Channel), "sender", r.Sender)
	s.speak(r)
	s.reaches(r.Channel, r.Address, now)
	last := append(strings.Fields(s.Send.Thread.Heard), r.InboundID)
	s.Send.Thread.Heard = strings.Join(last[max(0, len(last)-8):], " ")
	if r.Button == "" && Command(r.Text) == CmdStop {
		Leave(s, Left{Channels: []Channel{r.Channel}, Address: r.Address, Reason: SaidStop, Source: r.Sender, Confirm: !confirmed, At: r.At}, now)
		return nil
	}
	if r.Button == "" && Command(r.Text) == CmdStart && Return(s, r.Channel, r.Address, r.At, now) {
		return nil
	}
	s.delivered(r, now)
	if !now.Before(s.Send.ExpiresAt) {
		s.Record(now, "reply.kept", "why", "after the end")
		return nil
	}
	if sv.ID == "" {
		s.Record(now, "reply.kept", "why", "survey not installed")
		return nil
	}
	switch {
	case s.Send.Status == Suppressed || s.Send.Status == Expired || s.Send.Status == Cancelled:
		s.Record(now, "reply.ignored", "why", string(s.Send.Status))
		return nil
	case r.Button == "" && AutoReply(r.Text):
		s.Record(now, "reply.ignored", "why", "automatic")
		return nil
	}
	score, comment, sure := 0, "", false
	if r.Button != "" {
		if id, n, ok := ParsePayload(r.Button); ok && id == s.Send.ID && n >= sv.Min && n <= sv.Max {
			score, sure = n, true
		}
	} else {
		read := Read(r.Text, s.Send.Locale, sv.Min, sv.Max)
		score, comment, sure = read.Score, read.Comment, read.Sure
	}
	evidence := EvidenceReply
	if r.Button != "" {
		evidence = EvidenceTap
	}
	verbatim := r.Text
	if r.Button != "" && sure {
		verbatim = strconv.Itoa(score)
	}
	answer := Answer{Question: QuestionScore, Value: &score, Text: verbatim, Channel: r.Channel, Evidence: evidence, At: now}
	switch {
	case s.Response == nil && sure:
		s.score(sv, answer, ids, now)
		if comment == "" {
			s.say(Followup(s.Response.Segment), now)
			s.Send.Thread.Asking = QuestionComment
			return nil
		}
		s.comment(Answer{Question: QuestionComment, Text: comment, Channel: r.Channel, Evidence: evidence, At: now}, now)
		s.say(Thanks(s.Response.Segment), now)
	case s.Response == nil && !s.asked(): // its invitation is still to come, and must not be replaced by a question
		s.Record(now, "reply.kept", "why", "nothing is asked")
	case s.Response == nil:
		if s.Send.Thread.Clarified {
			s.Record(now, "reply.ignored", "why", "asked once already")
			return nil
		}
		s.Send.Thread.Clarified = true
		s.Send.Thread.Asking = QuestionScore
		s.say(Clarify, now)
	case sure && comment == "" && s.Response.Score == score:
		s.Record(now, "reply.ignored", "why", "the same score again")
	case r.Button != "" && sure:
		s.score(sv, answer, ids, now)
		if s.Send.Thread.Asking == QuestionComment {
			s.say(Followup(s.Response.Segment), now)
		}
	case s.Send.Thread.Asking == QuestionComment && strings.TrimSpace(r.Text) != "":
		s.comment(Answer{Question: QuestionComment, Text: r.Text, Channel: r.Channel, Evidence: evidence, At: now}, now)
		s.say(Thanks(s.Response.Segment), now)
	default:
		s.Record(now, "reply.kept", "why", "nothing is asked")
	}
	return nil
}

// speak moves the thread to where the person is.
func (s *State) speak(r Reply) {
	t := &s.Send.Thread
	if t.Channel == r.Channel && t.Address == r.Address && t.Sender == r.Sender {
		return
	}
	t.Channel, t.Sender, t.Address = r.Channel, r.Sender, r.Address
	if t.Asking == "" && s.Response == nil {
		t.Asking = QuestionScore
	}
}

// asked reports whether an attempt may have reached the person.
func (s *State) asked() bool {
	return slices.ContainsFunc(s.Attempts, func(a Attempt) bool { return a.Status != AttemptFailed })
}

// delivered: a reply proves that the invitation arrived, whatever the provider said.
func (s *State) delivered(r Reply, now time.Time) {
	for i := len(s.Attempts) - 1; i >= 0; i-- {
		a := &s.Attempts[i]
		if a.Channel == r.Channel && !conversational(a.Kind) && a.Status != AttemptFailed {
			if a.Status.Rank() < AttemptDelivered.Rank() {
				a.Status, a.UpdatedAt = AttemptDelivered, now
				s.Record(now, "attempt.delivered", "attempt", a.ID, "why", "reply")
				s.settled(a, now)
			}
			return
		}
	}
}

// score records the answer to the survey's question and ends the plan: nothing more is sent to get one.
func (s *State) score(sv Survey, a Answer, ids func(string) string, now time.Time) {
	if s.Response == nil {
		asked, version := s.Send.Asks()
		s.Response = &Response{
			ID: ids(ResponsePrefix), SendID: s.Send.ID, Mode: s.Send.Mode, Survey: asked, SurveyVersion: version,
			Locale: s.Send.Locale, Metric: sv.Metric, CreatedAt: now,
		}
	}
	r := s.Response
	r.Score, r.Segment, r.UpdatedAt = *a.Value, sv.Segment(*a.Value), now
	r.put(a)
	s.Record(now, "answer.recorded", "response", r.ID, "question", a.Question, "value", *a.Value, "segment", string(r.Segment), "channel", string(a.Channel), "evidence", a.Evidence)
	s.Send.Epoch++
	s.rest()
	if !s.Send.Status.Final() { // an answer counts; the outcome of a send that has one stays (law 2)
		s.Send.Status, s.Send.Reason, s.Send.UpdatedAt = Answered, ReasonNone, now
	}
}

// comment records the person's words and completes the conversation.
func (s *State) comment(a Answer, now time.Time) {
	r := s.Response
	r.put(a)
	r.UpdatedAt = now
	s.Record(now, "answer.recorded", "response", r.ID, "question", a.Question, "channel", string(a.Channel), "evidence", a.Evidence)
	s.complete(now)
}

func (s *State) complete(now time.Time) {
	s.Response.Complete = true
	s.Send.Thread.Asking = ""
	s.Send.Epoch++
	s.rest()
	if !s.Send.Status.Final() {
		s.Send.Status, s.Send.Reason, s.Send.UpdatedAt = Completed, ReasonNone, now
		s.Record(now, "send.completed", "response", s.Response.ID)
	}
}

// put replaces the answer to the same question, or adds one.
func (r *Response) put(a Answer) {
	for i := range r.Answers {
		if r.Answers[i].Question == a.Question {
			r.Answers[i] = a
			return
		}
	}
	r.Answers = append(r.Answers, a)
}

// say makes a message of the conversation due at once, within the budget of the thread. One more is kept for the confirmation of a
// STOP, whatever was said before; a thread in which somebody leaves and comes back again and again ends with it.
func (s *State) say(k Kind, now time.Time) {
	t := &s.Send.Thread
	budget := maxSaid
	if k == OptOut {
		budget++
	}
	if t.Sender == "" || t.Said >= budget {
		s.Record(now, "message.dropped", "kind", string(k), "why", "reply budget")
		return
	}
	t.Said++
	s.Send.Kind, s.Send.Lane, s.Send.DueAt, s.Send.Tries = k, t.Sender, now, 0
	s.Send.Epoch++
}

// Return lifts what a STOP from this address had set, and that it reaches nobody; nothing else may be lifted by a word. at is when the
// person came back, zero for now: who left after that has left. It reports whether there was a STOP to lift.
func Return(s *State, c Channel, address string, at, now time.Time) bool {
	if at.IsZero() {
		at = now
	}
	kept, lifted, reached := s.Suppressions[:0:0], false, false
	for _, sup := range s.Suppressions {
		if sup.Channel != c || sup.Address != address || !sup.LiftedBy(at) {
			kept = append(kept, sup)
			continue
		}
		s.Lift = append(s.Lift, sup)
		reached = reached || sup.Scope == ScopeUnreachable
		lifted = lifted || sup.Scope != ScopeUnreachable
	}
	s.Suppressions = kept
	if lifted {
		s.Record(now, "contact.unsuppressed", "channel", string(c))
	}
	if reached {
		s.Record(now, "contact.reached", "channel", string(c))
	}
	return lifted
}

// LiftedBy reports whether a word that the person said at that time lifts a suppression: it was said by the person too, or is a provider's that
// the address reaches nobody, and it is not newer.
func (p *Suppression) LiftedBy(said time.Time) bool {
	byWord := p.Reason == SaidStop || p.Reason == SaidProvider || p.Scope == ScopeUnreachable
	return byWord && !p.At.After(said)
}

// A Left says that a person does not want to be asked.
type Left struct {
	Channels       []Channel // whose addresses are suppressed
	Address        string    // on the first of them; "" = the recipient's
	Reason, Source string
	Confirm        bool      // one confirmation is due in the thread
	At             time.Time // when the person said it; zero = now
}

// Leave records that the person does not want to be asked: nothing of this send goes out any more but the confirmation.
func Leave(s *State, l Left, now time.Time) {
	before := len(s.Suppressions)
	for i, c := range l.Channels {
		a := s.Send.Recipient.Address(c)
		if i == 0 && l.Address != "" {
			a = l.Address
		}
		s.suppress(Suppression{Channel: c, Address: a, Scope: ScopeAll, Reason: l.Reason, Source: l.Source, At: l.At}, now)
	}
	if len(s.Suppressions) == before {
		s.Record(now, "reply.ignored", "why", "left already")
		return // confirmed once
	}
	s.stop(now)
	if l.Confirm && s.Send.Thread.Sender != "" {
		s.say(OptOut, now)
	}
}

// On a page a person answers one question at a time.

// AnswerPage records an answer given on the customer's page. A score may be changed until the send expires. It is an
// InvalidError when the value is off the scale, ErrConflict when the send takes no answers any more.
func AnswerPage(s *State, sv Survey, a Answer, ids func(string) string, now time.Time) error {
	switch {
	case s.Send.Status == Cancelled || s.Send.Status == Expired || !now.Before(s.Send.ExpiresAt):
		return fmt.Errorf("send %s takes no answers any more: %w", s.Send.ID, ErrConflict)
	case a.Question == QuestionScore && (a.Value == nil || *a.Value < sv.Min || *a.Value > sv.Max):
		return InvalidError{{Pointer: "/score", Code: "out_of_range", Detail: fmt.Sprintf("choose a number from %d to %d", sv.Min, sv.Max)}}
	case a.Question != QuestionScore && s.Response == nil:
		return InvalidError{{Pointer: "/score", Code: "required", Detail: "choose a number first"}}
	}
	a.Channel, a.Evidence, a.At = Web, EvidencePage, now
	if a.Question == QuestionScore {
		s.score(sv, a, ids, now)
		if s.Send.Thread.Asking == QuestionScore {
			s.Send.Thread.Asking = ""
		}
		return nil
	}
	if a.Text == "" {
		s.complete(now)
		return nil
	}
	s.comment(a, now)
	return nil
}

// Unsubscribe records that the person left by the page or the one-click of a mail (RFC 8058): from the channel of the last
// attempt alone, or from all. Doing it again changes nothing.
func Unsubscribe(s *State, source string, all bool, now time.Time) {
	channel := Email
	for _, a := range s.Attempts {
		channel = a.Channel
	}
	if source == "one_click" {
		channel = Email
	}
	if all {
		Leave(s, Left{Channels: SendChannels(), Reason: source, Source: "page"}, now)
		return
	}
	before := len(s.Suppressions)
	s.suppress(Suppression{Channel: channel, Address: s.Send.Recipient.Address(channel), Scope: ScopeChannel, Reason: source, Source: "page"}, now)
	if len(s.Suppressions) == before || s.Send.Lane == "" || conversational(s.Send.Kind) {
		return
	}
	if next, _ := s.Target(); next == channel { // what is due on it is skipped at once
		s.Send.Epoch++
		s.advance(ReasonOptedOut, now)
	}
}
