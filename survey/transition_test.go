package survey_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// newState is an accepted send of three steps, taken once.
func newState() *survey.State {
	return &survey.State{Send: survey.Send{
		ID: "snd_1", Mode: survey.Live, Survey: "nps-after-purchase", SurveyVersion: 1, Locale: "hr",
		Recipient: survey.Recipient{Email: "ana@example.hr", Phone: "+385911234567", ViberID: "v1"},
		Plan: []survey.Step{
			{Channel: survey.Viber, Sender: "bot", Success: survey.AttemptDelivered, Wait: time.Hour},
			{Channel: survey.SMS, Sender: "sms", Success: survey.AttemptDelivered, Wait: time.Hour},
			{Channel: survey.Email, Sender: "mail", Success: survey.AttemptAccepted},
		},
		Status: survey.Accepted, Kind: survey.Invitation, Lane: "bot", DueAt: noon, Epoch: 1,
		CreatedAt: noon, ExpiresAt: noon.Add(7 * 24 * time.Hour),
	}}
}

func nps(t interface{ Fatal(...any) }) survey.Survey {
	for _, sv := range survey.Builtin() {
		if sv.ID == "nps-after-purchase" {
			return sv
		}
	}
	t.Fatal("nps-after-purchase is not built in")
	return survey.Survey{}
}

// claim makes the attempt that is due.
func claim(t interface{ Fatalf(string, ...any) }, s *survey.State, id string, now time.Time) {
	ch, to := s.Target()
	a := survey.Attempt{ID: id, Kind: s.Send.Kind, Step: s.Send.Step, Channel: ch, Sender: s.Send.Lane, Address: to, Epoch: s.Send.Epoch}
	if err := survey.Claim(s, a, now.Add(time.Minute), survey.Decision{}, nil, now); err != nil {
		t.Fatalf("claim %s: %v", id, err)
	}
}

func finish(t interface{ Fatalf(string, ...any) }, s *survey.State, id string, r survey.Result, now time.Time) {
	if err := survey.Finish(s, id, r, now); err != nil {
		t.Fatalf("finish %s: %v", id, err)
	}
}

func ids() func(string) string {
	n := 0
	return func(prefix string) string { n++; return fmt.Sprintf("%s%d", prefix, n) }
}

func status(s *survey.State, id string) survey.AttemptStatus {
	for _, a := range s.Attempts {
		if a.ID == id {
			return a.Status
		}
	}
	return ""
}

func TestFinish(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		result  survey.Result
		status  survey.Status
		attempt survey.AttemptStatus
		lane    string
		step    int
		due     time.Duration
	}{
		{"taken: the next step waits", survey.Result{ProviderID: "p"}, survey.Sent, survey.AttemptAccepted, "sms", 1, time.Hour},
		{"transient: the same step again", survey.Result{Fault: survey.FaultTransient, Backoff: 7 * time.Second}, survey.Scheduled, survey.AttemptFailed, "bot", 0, 7 * time.Second},
		{"throttled: as long as the provider says", survey.Result{Fault: survey.FaultTransient, Backoff: time.Second, RetryAfter: time.Minute}, survey.Scheduled, survey.AttemptFailed, "bot", 0, time.Minute},
		{"unconfirmed: waits for the receipt", survey.Result{Fault: survey.FaultUnconfirmed}, survey.Sending, survey.AttemptUncertain, "bot", 0, survey.UncertainGrace},
		{"unreachable: the next step now", survey.Result{Fault: survey.FaultUnreachable}, survey.Scheduled, survey.AttemptFailed, "sms", 1, 0},
		{"rejected: the next step now", survey.Result{Fault: survey.FaultRejected}, survey.Scheduled, survey.AttemptFailed, "sms", 1, 0},
		{"opted out: the end", survey.Result{Fault: survey.FaultOptedOut}, survey.Suppressed, survey.AttemptFailed, "", 0, 0},
		{"misconfigured: a person must look", survey.Result{Fault: survey.FaultMisconfigured}, survey.Scheduled, survey.AttemptFailed, "bot", 0, 15 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newState()
			claim(t, s, "a", noon)
			finish(t, s, "a", tt.result, noon)
			if s.Send.Status != tt.status || status(s, "a") != tt.attempt || s.Send.Lane != tt.lane || s.Send.Step != tt.step {
				t.Fatalf("got %s, attempt %s, lane %q, step %d; want %s, %s, %q, %d",
					s.Send.Status, status(s, "a"), s.Send.Lane, s.Send.Step, tt.status, tt.attempt, tt.lane, tt.step)
			}
			if tt.lane != "" && !s.Send.DueAt.Equal(noon.Add(tt.due)) {
				t.Errorf("due %s, want %s", s.Send.DueAt.Sub(noon), tt.due)
			}
		})
	}
}

func TestTriesAreLimited(t *testing.T) {
	t.Parallel()
	s := newState()
	s.Send.Plan = s.Send.Plan[:1]
	for i := range survey.MaxTries {
		claim(t, s, fmt.Sprint(i), noon)
		finish(t, s, fmt.Sprint(i), survey.Result{Fault: survey.FaultTransient}, noon)
	}
	if s.Send.Status != survey.Failed || s.Send.Reason != survey.ReasonAttempts {
		t.Errorf("after %d tries %s, %s", survey.MaxTries, s.Send.Status, s.Send.Reason)
	}
}

// An attempt whose result was never recorded is never made again: it waits for its receipt, then the send is closed.
func TestLaw03ClaimBeforeSend(t *testing.T) {
	t.Parallel()
	s := newState()
	s.Send.Plan = s.Send.Plan[:1]
	claim(t, s, "a", noon) // and then the process dies

	s.Send.Epoch++ // taken again after the lease
	claim(t, s, "b", noon.Add(2*time.Minute))
	if len(s.Attempts) != 1 || status(s, "a") != survey.AttemptUncertain {
		t.Fatalf("attempts %+v, want only a, uncertain", s.Attempts)
	}
	s.Send.Epoch++
	late := noon.Add(survey.UncertainGrace + time.Second)
	if err := survey.Doubt(s, "bot", s.Send.Epoch, "a", late, survey.UncertainGrace, late); err != nil {
		t.Fatal(err)
	}
	if len(s.Attempts) != 1 || s.Send.Status != survey.Failed || s.Send.Reason != survey.ReasonUncertain {
		t.Errorf("after the grace time: %d attempts, %s, %s; want 1, failed, uncertain", len(s.Attempts), s.Send.Status, s.Send.Reason)
	}
}

func TestUncertainIsSettledByTheReceipt(t *testing.T) {
	t.Parallel()
	for _, st := range []survey.AttemptStatus{survey.AttemptSent, survey.AttemptDelivered} {
		s := newState()
		s.Send.Plan = s.Send.Plan[:1]
		claim(t, s, "a", noon)
		finish(t, s, "a", survey.Result{Fault: survey.FaultUnconfirmed}, noon)
		if err := survey.Heard(s, survey.Report{AttemptID: "a", ProviderID: "p", Status: st}, noon); err != nil {
			t.Fatal(err)
		}
		if s.Send.Lane != "" || status(s, "a") != st || (s.Send.Status != survey.Sent && s.Send.Status != survey.Delivered) {
			t.Errorf("after %s: lane %q, attempt %s, send %s", st, s.Send.Lane, status(s, "a"), s.Send.Status)
		}
	}
}

// A slow provider outlives its lease; the one who took the send meanwhile must neither send it again nor jump its back-off.
func TestSlowAttemptIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, r := range []survey.Result{{ProviderID: "p"}, {Fault: survey.FaultTransient, Backoff: time.Hour}} {
		s := newState()
		s.Send.Plan = s.Send.Plan[:1]
		claim(t, s, "a", noon)
		s.Send.Epoch++
		stale := s.Send.Epoch
		finish(t, s, "a", r, noon.Add(time.Minute))
		err := survey.Claim(s, survey.Attempt{ID: "b", Kind: survey.Invitation, Sender: "bot", Epoch: stale}, noon, survey.Decision{}, nil, noon)
		if !errors.Is(err, survey.ErrConflict) {
			t.Errorf("second claim after %+v: %v, want a conflict", r, err)
		}
	}
}

func TestHeard(t *testing.T) {
	t.Parallel()
	sent := func(t *testing.T) *survey.State {
		s := newState()
		claim(t, s, "a", noon)
		finish(t, s, "a", survey.Result{ProviderID: "p"}, noon)
		return s
	}
	t.Run("delivered ends the plan", func(t *testing.T) {
		t.Parallel()
		s := sent(t)
		_ = survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptDelivered}, noon)
		if s.Send.Status != survey.Delivered || s.Send.Lane != "" {
			t.Errorf("%s in lane %q; want delivered, none", s.Send.Status, s.Send.Lane)
		}
	})
	t.Run("rank only grows", func(t *testing.T) {
		t.Parallel()
		s := sent(t)
		_ = survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptDelivered}, noon)
		events := len(s.Events)
		_ = survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptSent}, noon)
		_ = survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptDelivered}, noon)
		_ = survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptFailed}, noon)
		if status(s, "a") != survey.AttemptDelivered || len(s.Events) != events {
			t.Errorf("attempt %s, %d new events; want delivered, 0", status(s, "a"), len(s.Events)-events)
		}
	})
	t.Run("of another sender's attempt nobody is believed", func(t *testing.T) {
		t.Parallel()
		s := sent(t)
		err := survey.Heard(s, survey.Report{AttemptID: "a", Sender: "sms", Status: survey.AttemptDelivered}, noon)
		if !errors.Is(err, survey.ErrNotFound) || status(s, "a") != survey.AttemptAccepted {
			t.Errorf("%v, attempt %s; want not found, accepted", err, status(s, "a"))
		}
	})
	t.Run("failed starts the waiting step at once", func(t *testing.T) {
		t.Parallel()
		s := sent(t)
		_ = survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptFailed, Fault: survey.FaultUnreachable}, noon)
		if s.Send.Lane != "sms" || s.Send.Step != 1 || s.Send.DueAt.After(noon) {
			t.Errorf("lane %q step %d due %s; want sms, 1, now", s.Send.Lane, s.Send.Step, s.Send.DueAt)
		}
	})
	t.Run("failed last step ends the send", func(t *testing.T) {
		t.Parallel()
		s := newState()
		s.Send.Plan = s.Send.Plan[:1]
		claim(t, s, "a", noon)
		finish(t, s, "a", survey.Result{ProviderID: "p"}, noon)
		_ = survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptFailed, Fault: survey.FaultUnreachable}, noon)
		if s.Send.Status != survey.Failed || s.Send.Reason != survey.ReasonUnreachable {
			t.Errorf("%s, %s; want failed, unreachable", s.Send.Status, s.Send.Reason)
		}
	})
	t.Run("a late failure does not undo a later step", func(t *testing.T) {
		t.Parallel()
		s := sent(t)
		s.Send.Epoch++
		claim(t, s, "b", noon.Add(time.Hour))
		finish(t, s, "b", survey.Result{ProviderID: "q"}, noon.Add(time.Hour))
		_ = survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptFailed}, noon.Add(2*time.Hour))
		if s.Send.Status != survey.Sent || s.Send.Lane != "mail" {
			t.Errorf("%s in lane %q; want sent, mail", s.Send.Status, s.Send.Lane)
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newState()
	stale := s.Send.Epoch
	if err := survey.Cancel(s, "key_1", noon); err != nil {
		t.Fatal(err)
	}
	if s.Send.Status != survey.Cancelled || s.Send.Lane != "" {
		t.Errorf("%s in lane %q", s.Send.Status, s.Send.Lane)
	}
	if err := survey.Cancel(s, "key_1", noon); !errors.Is(err, survey.ErrConflict) {
		t.Errorf("second cancel: %v", err)
	}
	err := survey.Claim(s, survey.Attempt{ID: "a", Kind: survey.Invitation, Sender: "bot", Epoch: stale}, noon, survey.Decision{}, nil, noon)
	if !errors.Is(err, survey.ErrConflict) {
		t.Errorf("claim after cancel: %v", err)
	}
}

// reminders are read only.
var reminders = []survey.Step{
	{Kind: survey.Reminder, Success: survey.AttemptAnswered, After: time.Hour},
	{Kind: survey.Reminder, Channel: survey.Email, Sender: "mail", Success: survey.AttemptAnswered, After: 2 * time.Hour},
}

// lookUp does one of the things that may be done about an attempt whose result is not known.
func lookUp(t *rapid.T, s *survey.State, id string, now time.Time) {
	var err error
	switch rapid.SampledFrom([]string{"nothing learned", "there", "not there", "again"}).Draw(t, "look-up") {
	case "nothing learned":
		err = survey.Doubt(s, s.Send.Lane, s.Send.Epoch, id, now.Add(time.Hour), survey.UncertainGrace, now)
	case "there":
		err = survey.Heard(s, survey.Report{AttemptID: id, Status: survey.AttemptAccepted, ProviderID: "p", Found: true}, now)
	case "not there":
		err = survey.Finish(s, id, survey.Result{Fault: survey.FaultTransient, Code: "not_there"}, now)
	case "again":
		var ok bool
		if ok, err = survey.Again(s, s.Send.Lane, s.Send.Epoch, id, 3, now.Add(time.Minute), now); ok && err == nil {
			err = survey.Finish(s, id, survey.Result{Fault: rapid.SampledFrom([]string{"", "transient", "rejected"}).Draw(t, "fault")}.Unproven(), now)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever happens in whatever order, there is never more than one outcome, nothing is sent after a STOP, no attempt falls back in rank,
// and no message is made twice once a provider has it.
func TestLaw02ExactlyOneOutcomeInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, sv, now, mk := newState(), nps(t), noon, ids()
		s.Send.Plan = append(s.Send.Plan, reminders...)
		next := 0
		stopped, spoke, outcomes := false, false, 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 7200).Draw(t, "seconds")) * time.Second)
			before := make(map[string]int)
			for _, a := range s.Attempts {
				before[a.ID] = a.Status.Rank()
			}
			events := len(s.Events)
			switch rapid.SampledFrom([]string{"deliver", "deliver", "deliver", "report", "report", "reply", "stop", "cancel", "crash", "page"}).Draw(t, "what") {
			case "deliver":
				if s.Send.Lane == "" || s.Send.DueAt.After(now) {
					continue
				}
				s.Send.Epoch++
				made := len(s.Attempts)
				if a := survey.Unsettled(s); a != nil {
					lookUp(t, s, a.ID, now)
					break
				}
				if s.Send.Kind == survey.Invitation && rapid.Bool().Draw(t, "moves") {
					if err := survey.Move(s, s.Send.Lane, s.Send.Epoch, "other", survey.ReasonMisconfigured, now); err != nil {
						t.Fatal(err)
					}
				}
				if d := survey.Decide(s, survey.Facts{}, survey.Policy{}, now); d.Verdict != survey.Go {
					_ = survey.Settle(s, s.Send.Lane, s.Send.Epoch, d, now)
					break
				}
				next++
				id, kind, step := fmt.Sprint(next), s.Send.Kind, s.Send.Step
				claim(t, s, id, now)
				if len(s.Attempts) == made {
					break
				}
				if stopped && kind != survey.OptOut {
					t.Fatalf("%s claimed after STOP", kind)
				}
				if spoke && kind == survey.Reminder {
					t.Fatal("reminded after a reply")
				}
				for _, a := range s.Attempts[:made] {
					if a.Kind == kind && a.Step == step && (kind == survey.Invitation || kind == survey.Reminder) && a.Status != survey.AttemptFailed {
						t.Fatalf("invitation of step %d made again while attempt %s is %s", step, a.ID, a.Status)
					}
				}
				fault := rapid.SampledFrom([]string{"", "", "transient", "unconfirmed", "unreachable", "rejected", "misconfigured", "crash"}).Draw(t, "fault")
				other := rapid.SampledFrom([]string{"", "", "other"}).Draw(t, "other")
				if fault != "crash" {
					finish(t, s, id, survey.Result{Fault: fault, ProviderID: "p" + id, Backoff: time.Second, Other: other}, now)
				}
			case "report":
				if len(s.Attempts) == 0 {
					continue
				}
				a := rapid.SampledFrom(s.Attempts).Draw(t, "attempt")
				st := rapid.SampledFrom([]survey.AttemptStatus{survey.AttemptSent, survey.AttemptDelivered, survey.AttemptRead, survey.AttemptFailed}).Draw(t, "status")
				_ = survey.Heard(s, survey.Report{AttemptID: a.ID, Status: st, Fault: survey.FaultUnreachable}, now)
			case "reply":
				text := rapid.SampledFrom([]string{"9", "devet", "hvala", "8-9", "9 jer su brzi", ""}).Draw(t, "text")
				_ = survey.Hear(s, sv, survey.Reply{InboundID: mk("inb_"), Channel: survey.SMS, Sender: "sms", Address: "+385911234567", Text: text}, mk, false, now)
				spoke = spoke || text != "" // an answer of nothing is none
			case "stop":
				_ = survey.Hear(s, sv, survey.Reply{InboundID: mk("inb_"), Channel: survey.SMS, Sender: "sms", Address: "+385911234567", Text: "STOP"}, mk, false, now)
				stopped = true
			case "cancel":
				_ = survey.Cancel(s, "k", now)
			case "page":
				n := 7
				_ = survey.AnswerPage(s, sv, survey.Answer{Question: survey.QuestionScore, Value: &n, Text: "7"}, mk, now)
			case "crash":
			}
			for _, a := range s.Attempts {
				if r, ok := before[a.ID]; ok && a.Status.Rank() < r {
					t.Fatalf("attempt %s fell from rank %d to %s", a.ID, r, a.Status)
				}
			}
			for _, e := range s.Events[events:] {
				switch e.Type {
				case "send.failed", "send.suppressed", "send.expired", "send.cancelled", "send.completed":
					outcomes++
				}
			}
			if s.Send.Lane != "" && s.Send.Status.Final() && (s.Send.Kind == survey.Invitation || s.Send.Kind == survey.Reminder) {
				t.Fatalf("%s, yet an invitation is due", s.Send.Status)
			}
		}
		if said := s.Send.Thread.Said; said > 4 && (said > 5 || !stopped) {
			t.Fatalf("%d messages in answer to replies", said)
		}
	})
}

// A receipt may be faster than the answer to the very message that it is about.
func TestReceiptBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	s := newState()
	claim(t, s, "a", noon)
	r := survey.Report{AttemptID: "a", Status: survey.AttemptFailed, Fault: survey.FaultTransient, Backoff: time.Minute}
	if err := survey.Heard(s, r, noon); err != nil {
		t.Fatal(err)
	}
	finish(t, s, "a", survey.Result{ProviderID: "p"}, noon)
	if s.Send.Status != survey.Scheduled || s.Send.Lane != "bot" || s.Send.Step != 0 || !s.Send.DueAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("%s, step %d in lane %q at %s; want the same step in a minute", s.Send.Status, s.Send.Step, s.Send.Lane, s.Send.DueAt)
	}
	if s.Attempts[0].ProviderID != "p" {
		t.Errorf("provider id %q", s.Attempts[0].ProviderID)
	}
}

func TestPutOff(t *testing.T) {
	t.Parallel()
	now := noon
	soon, end := now.Add(time.Second), now.Add(time.Hour)
	tests := []struct {
		name  string
		state func(*survey.State)
		lane  string
		epoch int64
		due   time.Time
		want  time.Time
		err   error
	}{
		{name: "taken", lane: "sms", epoch: 3, due: soon, want: soon},
		{name: "no later than it expires", lane: "sms", epoch: 3, due: now.Add(2 * time.Hour), want: end},
		{name: "a conversation outlives it", lane: "sms", epoch: 3, due: now.Add(2 * time.Hour), want: now.Add(2 * time.Hour), state: func(s *survey.State) {
			s.Send.Kind = survey.Thanks(survey.Promoter)
		}},
		{name: "taken by another", lane: "sms", epoch: 2, due: soon, want: now, err: survey.ErrConflict},
		{name: "elsewhere", lane: "mail", epoch: 3, due: soon, want: now, err: survey.ErrConflict},
		{name: "ended", lane: "", epoch: 3, due: soon, want: now, state: func(s *survey.State) { s.Send.Lane = "" }, err: survey.ErrConflict},
		{name: "on its way", lane: "sms", epoch: 3, due: soon, want: now, state: func(s *survey.State) {
			s.Attempts = []survey.Attempt{{ID: "att_1", Kind: survey.Invitation, Status: survey.AttemptClaimed}}
		}, err: survey.ErrConflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := survey.State{Send: survey.Send{ID: "snd_1", Lane: "sms", Epoch: 3, DueAt: now, ExpiresAt: end, Status: survey.Accepted, Kind: survey.Invitation}}
			if tt.state != nil {
				tt.state(&s)
			}
			err := survey.PutOff(&s, tt.lane, tt.epoch, tt.due)
			if !errors.Is(err, tt.err) || !s.Send.DueAt.Equal(tt.want) || (err == nil) != (s.Send.Epoch == 4) || len(s.Events) > 0 {
				t.Errorf("due %s at epoch %d with %d events, %v; want %s, %v", s.Send.DueAt, s.Send.Epoch, len(s.Events), err, tt.want, tt.err)
			}
		})
	}
}
