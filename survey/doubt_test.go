package survey_test

import (
	"errors"
	"testing"
	"time"

	"github.com/odziv/odziv/survey"
)

// doubted is a send whose only attempt got no answer.
func doubted(t *testing.T) *survey.State {
	t.Helper()
	s := planned()
	s.Send.Plan = s.Send.Plan[:1]
	claim(t, s, "a", noon)
	finish(t, s, "a", survey.Result{Fault: survey.FaultUnconfirmed, Doubt: time.Minute}, noon)
	due(t, s, survey.Invitation, "sms", noon.Add(time.Minute))
	if a := survey.Unsettled(s); a == nil || a.ID != "a" {
		t.Fatalf("unsettled %v, want a", a)
	}
	s.Send.Epoch++
	return s
}

func TestDoubt(t *testing.T) {
	t.Parallel()
	t.Run("looked at again, at the end of its grace at the latest", func(t *testing.T) {
		t.Parallel()
		s := doubted(t)
		if err := survey.Doubt(s, "sms", s.Send.Epoch, "a", noon.Add(3*time.Hour), time.Hour, noon.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		due(t, s, survey.Invitation, "sms", noon.Add(time.Hour))
		if s.Send.Thread.Looked != 1 {
			t.Errorf("%d look-ups", s.Send.Thread.Looked)
		}
	})
	t.Run("found", func(t *testing.T) {
		t.Parallel()
		s := doubted(t)
		if err := survey.Heard(s, survey.Report{AttemptID: "a", ProviderID: "SM1", Status: survey.AttemptAccepted, Found: true}, noon); err != nil {
			t.Fatal(err)
		}
		if s.Send.Status != survey.Sent || s.Send.Lane != "" || s.Attempts[0].ProviderID != "SM1" {
			t.Errorf("%s in lane %q, provider id %q", s.Send.Status, s.Send.Lane, s.Attempts[0].ProviderID)
		}
	})
	t.Run("surely not there: tried again", func(t *testing.T) {
		t.Parallel()
		s := doubted(t)
		finish(t, s, "a", survey.Result{Fault: survey.FaultTransient, Code: "not_there", Backoff: time.Second}, noon.Add(time.Hour))
		due(t, s, survey.Invitation, "sms", noon.Add(time.Hour+time.Second))
		if survey.Unsettled(s) != nil {
			t.Error("still unsettled")
		}
	})
	t.Run("a receipt was faster", func(t *testing.T) {
		t.Parallel()
		s := doubted(t)
		epoch := s.Send.Epoch
		if err := survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptDelivered}, noon); err != nil {
			t.Fatal(err)
		}
		if err := survey.Doubt(s, "sms", epoch, "a", noon, time.Hour, noon); !errors.Is(err, survey.ErrConflict) {
			t.Errorf("doubted after its receipt: %v", err)
		}
	})
}

func TestAgain(t *testing.T) {
	t.Parallel()
	s := doubted(t)
	again, err := survey.Again(s, "sms", s.Send.Epoch, "a", 2, noon.Add(2*time.Minute), noon)
	if err != nil || !again || len(s.Attempts) != 1 {
		t.Fatalf("again %t, %v, %d attempts", again, err, len(s.Attempts))
	}
	finish(t, s, "a", survey.Result{Fault: survey.FaultTransient, Backoff: time.Minute}.Unproven(), noon)
	if status(s, "a") != survey.AttemptUncertain {
		t.Fatalf("after a repetition that did not get through the attempt is %s: what became of the first is still not known", status(s, "a"))
	}
	if again, err = survey.Again(s, "sms", s.Send.Epoch, "a", 2, noon.Add(2*time.Minute), noon); err != nil || !again {
		t.Fatalf("second repetition %t, %v", again, err)
	}
	if again, err = survey.Again(s, "sms", s.Send.Epoch, "a", 2, noon.Add(2*time.Minute), noon); err != nil || again {
		t.Fatalf("third repetition %t, %v", again, err)
	}
	finish(t, s, "a", survey.Result{ProviderID: "p"}.Unproven(), noon)
	if status(s, "a") != survey.AttemptAccepted || s.Send.Status != survey.Sent {
		t.Errorf("attempt %s, send %s", status(s, "a"), s.Send.Status)
	}
}

// STOP wins over a repetition too.
func TestLaw07StopBeforeARepetition(t *testing.T) {
	t.Parallel()
	s := doubted(t)
	s.Suppressions = []survey.Suppression{{Channel: survey.SMS, Address: "+385911234567", Scope: survey.ScopeAll}}
	if again, err := survey.Again(s, "sms", s.Send.Epoch, "a", 2, noon, noon); err != nil || again {
		t.Errorf("again %t, %v", again, err)
	}
}

// What a provider took and could not deliver has reached nobody: the uncertain step after it decides.
func TestUncertainAfterAFailedStep(t *testing.T) {
	t.Parallel()
	failing := func(t *testing.T) *survey.State {
		s := planned()
		s.Send.Plan[0].Success = survey.AttemptDelivered
		take(t, s, "a", noon)
		if err := survey.Heard(s, survey.Report{AttemptID: "a", Status: survey.AttemptFailed, Fault: survey.FaultRejected}, noon); err != nil {
			t.Fatal(err)
		}
		due(t, s, survey.Invitation, "mail", noon)
		s.Send.Epoch++
		return s
	}
	t.Run("its grace time is over", func(t *testing.T) {
		t.Parallel()
		s := failing(t)
		claim(t, s, "b", noon)
		finish(t, s, "b", survey.Result{Fault: survey.FaultUnconfirmed}, noon)
		late := noon.Add(survey.UncertainGrace)
		if err := survey.Doubt(s, "mail", s.Send.Epoch, "b", late, survey.UncertainGrace, late); err != nil {
			t.Fatal(err)
		}
		if s.Send.Status != survey.Failed || s.Send.Reason != survey.ReasonUncertain {
			t.Errorf("%s, %s; want failed, uncertain", s.Send.Status, s.Send.Reason)
		}
	})
	t.Run("it comes too late", func(t *testing.T) {
		t.Parallel()
		s := failing(t)
		late := s.Send.ExpiresAt
		if err := survey.Settle(s, "mail", s.Send.Epoch, survey.Decide(s, survey.Facts{}, survey.Policy{}, late), late); err != nil {
			t.Fatal(err)
		}
		if s.Send.Status != survey.Expired {
			t.Errorf("%s, want expired", s.Send.Status)
		}
	})
}
