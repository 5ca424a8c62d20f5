package survey_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/odziv/odziv/survey"
)

const aDay = 24 * time.Hour

// planned is a send of one SMS, then an e-mail when nobody answers for two days, then two reminders.
func planned() *survey.State {
	s := newState()
	s.Send.Plan = []survey.Step{
		{Channel: survey.SMS, Sender: "sms", Success: survey.AttemptAnswered, Wait: 2 * aDay},
		{Channel: survey.Email, Sender: "mail", Success: survey.AttemptAccepted},
		{Kind: survey.Reminder, Success: survey.AttemptAnswered, After: aDay},
		{Kind: survey.Reminder, Channel: survey.Viber, Sender: "bot", After: aDay},
	}
	s.Send.Lane = "sms"
	return s
}

// due tells what waits, and since when it is due.
func due(t *testing.T, s *survey.State, kind survey.Kind, lane string, at time.Time) {
	t.Helper()
	if s.Send.Lane != lane || lane != "" && (s.Send.Kind != kind || !s.Send.DueAt.Equal(at)) {
		t.Fatalf("%s due in lane %q at %s; want %s in %q at %s", s.Send.Kind, s.Send.Lane, s.Send.DueAt, kind, lane, at)
	}
}

func take(t *testing.T, s *survey.State, id string, now time.Time) {
	t.Helper()
	s.Send.Epoch++
	claim(t, s, id, now)
	finish(t, s, id, survey.Result{ProviderID: "p" + id}, now)
}

func TestPlan(t *testing.T) {
	t.Parallel()
	heard := func(t *testing.T, s *survey.State, id string, st survey.AttemptStatus, at time.Time) {
		t.Helper()
		if err := survey.Heard(s, survey.Report{AttemptID: id, Status: st, Fault: survey.FaultUnreachable}, at); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a step that wants an answer waits for one, whatever arrives", func(t *testing.T) {
		t.Parallel()
		s := planned()
		take(t, s, "a", noon)
		due(t, s, survey.Invitation, "mail", noon.Add(2*aDay))
		heard(t, s, "a", survey.AttemptRead, noon.Add(time.Hour))
		due(t, s, survey.Invitation, "mail", noon.Add(2*aDay))
	})
	t.Run("reminders follow the ladder, each after the message before it", func(t *testing.T) {
		t.Parallel()
		s := planned()
		take(t, s, "a", noon)
		take(t, s, "b", noon.Add(2*aDay))
		due(t, s, survey.Reminder, "mail", noon.Add(3*aDay)) // where the person was reached
		take(t, s, "c", noon.Add(3*aDay))
		due(t, s, survey.Reminder, "bot", noon.Add(4*aDay))
		take(t, s, "d", noon.Add(4*aDay))
		due(t, s, "", "", noon)
	})
	t.Run("no reminder comes after the end", func(t *testing.T) {
		t.Parallel()
		s := planned()
		s.Send.ExpiresAt = noon.Add(3 * aDay)
		take(t, s, "a", noon)
		take(t, s, "b", noon.Add(2*aDay))
		due(t, s, "", "", noon)
	})
	t.Run("a failure heard late brings the next rung in place of the reminder", func(t *testing.T) {
		t.Parallel()
		s := planned()
		s.Send.Plan[0].Success = survey.AttemptAccepted
		take(t, s, "a", noon)
		due(t, s, survey.Reminder, "sms", noon.Add(aDay))
		heard(t, s, "a", survey.AttemptFailed, noon.Add(time.Hour))
		due(t, s, survey.Invitation, "mail", noon.Add(time.Hour))
	})
	for _, text := range []string{"9", "hvala lijepa", "8-9"} {
		t.Run("a reply ends the plan: "+text, func(t *testing.T) {
			t.Parallel()
			s := planned()
			take(t, s, "a", noon)
			reply(t, s, 1, text)
			if s.Send.Lane != "" && (s.Send.Kind == survey.Invitation || s.Send.Kind == survey.Reminder) {
				t.Fatalf("%s is due at %s", s.Send.Kind, s.Send.DueAt)
			}
		})
	}
	t.Run("an automatic reply does not", func(t *testing.T) {
		t.Parallel()
		s := planned()
		take(t, s, "a", noon)
		reply(t, s, 1, "Automatski odgovor: nisam u uredu")
		due(t, s, survey.Invitation, "mail", noon.Add(2*aDay))
	})
	t.Run("a failed reminder is no failed send", func(t *testing.T) {
		t.Parallel()
		s := planned()
		s.Send.Plan = slices.Delete(s.Send.Plan, 1, 2)
		take(t, s, "a", noon)
		due(t, s, survey.Reminder, "sms", noon.Add(aDay))
		s.Send.Epoch++
		claim(t, s, "b", noon.Add(aDay))
		finish(t, s, "b", survey.Result{Fault: survey.FaultRejected}, noon.Add(aDay))
		due(t, s, survey.Reminder, "bot", noon.Add(2*aDay))
		if s.Send.Status != survey.Sent {
			t.Errorf("status %s, want sent", s.Send.Status)
		}
	})
}

func TestRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		result survey.Result
		lane   string
		due    time.Duration
		status survey.Status
		reason survey.Reason
	}{
		{"too old", survey.Result{Fault: survey.FaultTransient, Backoff: time.Hour, Retry: survey.Retry{Age: time.Hour}}, "", 0, survey.Failed, survey.ReasonAttempts},
		{"young enough", survey.Result{Fault: survey.FaultTransient, Backoff: time.Minute, Retry: survey.Retry{Age: time.Hour}}, "sms", time.Minute, survey.Scheduled, survey.ReasonTransient},
		{"the only try", survey.Result{Fault: survey.FaultTransient, Retry: survey.Retry{Tries: 1}}, "", 0, survey.Failed, survey.ReasonAttempts},
		{"throttled costs no try", survey.Result{Fault: survey.FaultTransient, Throttled: true, RetryAfter: time.Minute, Retry: survey.Retry{Tries: 1}}, "sms", time.Minute, survey.Scheduled, survey.ReasonThrottled},
		{"throttled for longer than it lives", survey.Result{Fault: survey.FaultTransient, Throttled: true, RetryAfter: 30 * aDay}, "sms", 7 * aDay, survey.Scheduled, survey.ReasonThrottled},
		{"another sender at once", survey.Result{Fault: survey.FaultTransient, Backoff: time.Hour, Other: "spare"}, "spare", 0, survey.Scheduled, survey.ReasonTransient},
		{"another sender for one misconfigured", survey.Result{Fault: survey.FaultMisconfigured, Other: "spare"}, "spare", 0, survey.Scheduled, survey.ReasonMisconfigured},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := planned()
			s.Send.Plan = s.Send.Plan[:1]
			claim(t, s, "a", noon)
			finish(t, s, "a", tt.result, noon)
			due(t, s, survey.Invitation, tt.lane, noon.Add(tt.due))
			if s.Send.Status != tt.status || s.Send.Reason != tt.reason {
				t.Errorf("%s, %s; want %s, %s", s.Send.Status, s.Send.Reason, tt.status, tt.reason)
			}
		})
	}
}

// Contacts learn which channels do not reach them, and unlearn it.
func TestUnreachableIsRemembered(t *testing.T) {
	t.Parallel()
	s := planned()
	claim(t, s, "a", noon)
	finish(t, s, "a", survey.Result{Fault: survey.FaultUnreachable}, noon)
	if len(s.Suppressions) != 1 || s.Suppressions[0].Scope != survey.ScopeUnreachable || s.Suppressions[0].Address != "+385911234567" {
		t.Fatalf("suppressions %+v", s.Suppressions)
	}
	if err := survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptDelivered}, noon); err != nil {
		t.Fatal(err)
	}
	if len(s.Suppressions) != 0 || len(s.Lift) != 1 {
		t.Errorf("after delivery: %+v, lifted %+v", s.Suppressions, s.Lift)
	}
}

// How long an address is passed over counts from when it last reached nobody, also of one who left; and what is said from it lifts the mark.
func TestUnreachableIsRenewedAndLifted(t *testing.T) {
	t.Parallel()
	const phone = "+385911234567"
	mark := survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: phone, Scope: survey.ScopeUnreachable, SendID: "snd_0", At: noon.Add(-90 * aDay)}
	left := survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: phone, Scope: survey.ScopeAll, At: noon.Add(-aDay)}
	for _, had := range [][]survey.Suppression{{mark}, {left}, {left, mark}} {
		s := invited(t)
		s.Suppressions = had
		if err := survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptFailed, Fault: survey.FaultUnreachable}, noon); err != nil {
			t.Fatal(err)
		}
		var marks []time.Time
		for _, sup := range s.Suppressions {
			if sup.Scope == survey.ScopeUnreachable {
				marks = append(marks, sup.At)
			}
		}
		if len(marks) != 1 || !marks[0].Equal(noon) {
			t.Errorf("marked at %v, want once at %s", marks, noon)
		}
		reply(t, s, 1, "hm")
		if slices.ContainsFunc(s.Suppressions, func(sup survey.Suppression) bool { return sup.Scope == survey.ScopeUnreachable }) || len(s.Lift) != 1 {
			t.Errorf("after a reply: %+v, lifted %+v", s.Suppressions, s.Lift)
		}
	}
	s := invited(t)
	s.Suppressions = []survey.Suppression{mark}
	s.Attempts = append(s.Attempts, survey.Attempt{ID: "b", Kind: survey.Clarify, Channel: survey.SMS, Sender: "sms", Address: phone, Status: survey.AttemptAccepted})
	if err := survey.Heard(s, survey.Report{AttemptID: "b", Status: survey.AttemptDelivered}, noon); err != nil {
		t.Fatal(err)
	}
	if len(s.Suppressions) != 0 || len(s.Lift) != 1 {
		t.Errorf("after a message of the conversation: %+v, lifted %+v", s.Suppressions, s.Lift)
	}
}

func TestMove(t *testing.T) {
	t.Parallel()
	s := planned()
	plan := s.Send.Plan
	epoch := s.Send.Epoch
	if err := survey.Move(s, "sms", epoch, "spare", survey.ReasonMisconfigured, noon); err != nil {
		t.Fatal(err)
	}
	due(t, s, survey.Invitation, "spare", noon)
	if s.Send.Plan[0].Sender != "spare" || plan[0].Sender != "sms" || s.Send.Epoch == epoch {
		t.Errorf("step %+v, the plan it came from %+v, epoch %d", s.Send.Plan[0], plan[0], s.Send.Epoch)
	}
	claim(t, s, "a", noon)
	finish(t, s, "a", survey.Result{Fault: survey.FaultUnconfirmed}, noon)
	if err := survey.Move(s, "spare", s.Send.Epoch, "sms", survey.ReasonMisconfigured, noon); !errors.Is(err, survey.ErrConflict) {
		t.Errorf("an uncertain message moved: %v", err)
	}
}

// A task may run twice. Its second run finds that what is due next is not its business: not the reminder in three days, not the next try.
func TestWhatIsScheduledIsLostToTheTaskBefore(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]survey.Result{
		"taken": {ProviderID: "p"}, "transient": {Fault: survey.FaultTransient, Backoff: time.Hour}, "misconfigured": {Fault: survey.FaultMisconfigured},
		"no turn": {Fault: survey.FaultNotSent, Backoff: time.Hour}, "unconfirmed": {Fault: survey.FaultUnconfirmed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := planned()
			s.Send.Plan = slices.Delete(s.Send.Plan, 1, 2) // the reminder goes over the same sender
			epoch := s.Send.Epoch
			claim(t, s, "a", noon)
			finish(t, s, "a", r, noon)
			again := survey.Attempt{ID: "b", Kind: s.Send.Kind, Step: s.Send.Step, Channel: survey.SMS, Sender: "sms", Epoch: epoch}
			if err := survey.Claim(s, again, noon, survey.Decision{}, nil, noon); !errors.Is(err, survey.ErrConflict) {
				t.Errorf("claimed again: %v", err)
			}
		})
	}
	s := planned()
	epoch := s.Send.Epoch
	if err := survey.Settle(s, "sms", epoch, survey.Decision{Verdict: survey.Hold, Until: noon.Add(time.Hour)}, noon); err != nil {
		t.Fatal(err)
	}
	if err := survey.Claim(s, survey.Attempt{ID: "a", Sender: "sms", Epoch: epoch}, noon, survey.Decision{}, nil, noon); !errors.Is(err, survey.ErrConflict) {
		t.Errorf("claimed what is held: %v", err)
	}
}

// An SMS that receipts say did not arrive is not bought again and again.
func TestReceiptsOfFailuresAreCounted(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{survey.FaultTransient, survey.FaultMisconfigured} {
		s := planned()
		s.Send.Plan = s.Send.Plan[:1]
		s.Send.ExpiresAt = noon.Add(1000 * aDay)
		now := noon
		for i := range 100 {
			if s.Send.Lane == "" {
				break
			}
			id := string(rune('a'+i%26)) + string(rune('0'+i/26))
			take(t, s, id, now)
			r := survey.Report{AttemptID: id, Status: survey.AttemptFailed, Fault: fault, Backoff: time.Second}
			if err := survey.Heard(s, r, now); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Hour)
		}
		if len(s.Attempts) != survey.MaxTries || s.Send.Status != survey.Failed {
			t.Errorf("%s: %d attempts, %s; want %d, failed", fault, len(s.Attempts), s.Send.Status, survey.MaxTries)
		}
	}
}
