package survey_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
)

var day = survey.Window{From: 9 * 60, To: 20 * 60}

func TestDecide(t *testing.T) {
	t.Parallel()
	night := time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC)
	p := survey.Policy{Window: day, Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: 90 * 24 * time.Hour}}}
	tests := []struct {
		name    string
		change  func(*survey.State)
		invited time.Time
		now     time.Time
		verdict survey.Verdict
		reason  survey.Reason
	}{
		{"nothing against it", func(*survey.State) {}, time.Time{}, noon, survey.Go, ""},
		{"night", func(*survey.State) {}, time.Time{}, night, survey.Hold, survey.ReasonWindow},
		{"asked last month", func(*survey.State) {}, noon.AddDate(0, -1, 0), noon, survey.Stop, survey.ReasonCooldown},
		{"asked last year", func(*survey.State) {}, noon.AddDate(-1, 0, 0), noon, survey.Go, ""},
		{"too late", func(s *survey.State) { s.Send.ExpiresAt = noon }, time.Time{}, noon, survey.Stop, survey.ReasonExpired},
		{"left on another channel", func(s *survey.State) {
			s.Suppressions = []survey.Suppression{{Channel: survey.Email, Address: "ana@example.hr", Scope: survey.ScopeAll}}
		}, time.Time{}, noon, survey.Stop, survey.ReasonOptedOut},
		{"left this channel only", func(s *survey.State) {
			s.Suppressions = []survey.Suppression{{Channel: survey.Viber, Address: "v1", Scope: survey.ScopeChannel}}
		}, time.Time{}, noon, survey.Skip, survey.ReasonOptedOut},
		{"test at night", func(s *survey.State) { s.Send.Mode = survey.Test }, noon, night, survey.Go, ""},
		{"a follow-up at night", func(s *survey.State) { s.Send.Kind = survey.FollowupPassive }, noon, night, survey.Go, ""},
		{"expiry beats the night", func(s *survey.State) { s.Send.ExpiresAt = noon }, time.Time{}, night, survey.Stop, survey.ReasonExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newState()
			tt.change(s)
			d := survey.Decide(s, survey.Facts{Past: []survey.Past{{InvitedAt: tt.invited}}}, p, tt.now)
			if d.Verdict != tt.verdict || d.Reason != tt.reason {
				t.Errorf("%s, %q; want %s, %q (%+v)", d.Verdict, d.Reason, tt.verdict, tt.reason, d.Rules)
			}
		})
	}
}

// After its end a send is closed, whatever else holds.
func TestLaw10LateIsClosed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newState()
		now := s.Send.ExpiresAt.Add(time.Duration(rapid.IntRange(0, 1e6).Draw(t, "late")) * time.Second)
		d := survey.Decide(s, survey.Facts{}, survey.Policy{Window: day}, now)
		if d.Verdict != survey.Stop || d.Status != survey.Expired {
			t.Fatalf("%s, %s", d.Verdict, d.Status)
		}
	})
}

// Who left at another address of theirs has left.
func TestLaw07StopAtAnotherAddress(t *testing.T) {
	t.Parallel()
	for scope, verdict := range map[string]survey.Verdict{survey.ScopeAll: survey.Stop, survey.ScopeSurvey: survey.Stop, survey.ScopeChannel: survey.Go} {
		s := newState()
		f := survey.Facts{Elsewhere: []survey.Suppression{{Channel: survey.SMS, Address: "+385919999999", Scope: scope, Subject: s.Send.Survey}}}
		if d := survey.Decide(s, f, survey.Policy{}, noon); d.Verdict != verdict {
			t.Errorf("scope %s: %s, want %s", scope, d.Verdict, verdict)
		}
	}
}
