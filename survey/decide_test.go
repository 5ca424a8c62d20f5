package survey_test

import (
	"fmt"
	"maps"
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
		{"a follow-up at night, at once", talk(survey.FollowupPassive, night.Add(-time.Minute)), noon, night, survey.Go, ""},
		{"a follow-up at night that had to wait", talk(survey.FollowupPassive, night.Add(-15*time.Minute)), noon, night, survey.Hold, survey.ReasonWindow},
		{"a clarifying question at night that had to wait", talk(survey.Clarify, night.Add(-oneDay)), noon, night, survey.Hold, survey.ReasonWindow},
		{"a follow-up by day that had to wait", talk(survey.FollowupPassive, noon.Add(-oneDay)), noon, noon, survey.Go, ""},
		{"a follow-up that is too late", func(s *survey.State) {
			s.Send.Kind, s.Send.ExpiresAt = survey.FollowupPassive, noon
		}, time.Time{}, noon, survey.Stop, survey.ReasonExpired},
		{"the confirmation of a STOP is never too late, nor is it night", func(s *survey.State) {
			talk(survey.OptOut, noon.Add(-oneDay))(s)
			s.Send.ExpiresAt = noon
		}, time.Time{}, night, survey.Go, ""},
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

// talk is a message of a conversation in which the person spoke last at some time.
func talk(k survey.Kind, heard time.Time) func(*survey.State) {
	return func(s *survey.State) {
		var ids survey.IDSource
		s.Send.Kind = k
		s.Send.Thread = survey.Thread{Channel: survey.SMS, Sender: "sms", Address: "+385911234567", Heard: "inb_1 " + ids.New(survey.InboundPrefix, heard)}
	}
}

// What a conversation has to say ends with its send, too, and is not said at night when it had to wait: here its sender is refused for
// as long as it is tried.
func TestLaw10ConversationsEnd(t *testing.T) {
	t.Parallel()
	for _, kind := range []survey.Kind{survey.Clarify, survey.FollowupPassive, survey.ThanksPassive} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s, heard := newState(), time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
			talk(kind, heard)(s)
			s.Send.Lane, s.Send.Status, s.Send.DueAt, s.Send.ExpiresAt = "sms", survey.Answered, heard, heard.Add(2*oneDay)
			for tries := 0; s.Send.Lane != ""; tries++ {
				now := s.Send.DueAt
				d := survey.Decide(s, survey.Facts{}, survey.Policy{Window: day}, now)
				if d.Verdict != survey.Go {
					if err := survey.Settle(s, "sms", s.Send.Epoch, d, now); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if h := now.Hour(); tries > 1000 || now.Sub(heard) >= 15*time.Minute && (h < 9 || h >= 20) {
					t.Fatalf("tried at %s, %d times", now, tries)
				}
				id := fmt.Sprint(tries)
				claim(t, s, id, now)
				finish(t, s, id, survey.Result{Fault: survey.FaultMisconfigured}, now)
			}
			e := s.Events[len(s.Events)-1]
			if s.Send.Status != survey.Answered || s.Send.Reason != "" || e.Type != "message.dropped" || e.Data["reason"] != "expired" || !e.At.Equal(s.Send.ExpiresAt) {
				t.Errorf("%s, %q, ends with %s at %s %v; want answered, message.dropped at %s", s.Send.Status, s.Send.Reason, e.Type, e.At, e.Data, s.Send.ExpiresAt)
			}
		})
	}
}

// After its end a send is closed, whatever else holds.
func TestLaw10LateIsClosed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newState()
		s.Send.Kind = rapid.SampledFrom([]survey.Kind{survey.Invitation, survey.Reminder, survey.Clarify, survey.FollowupPassive, survey.ThanksPassive}).Draw(t, "kind")
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

// A decision is recorded: it says what it saw in codes, never in somebody's own words.
func TestDecideSawNoWords(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		basis, reason         string
		bases                 []string
		wantBasis, wantReason string
	}{
		"codes":                      {"existing_customer", "stop_keyword", nil, "existing_customer", "stop_keyword"},
		"words":                      {"rekla Ana osobno", "Ana, nazvala s 091", nil, "", "manual"},
		"a name that looks like one": {"rekla_ana", "manual", nil, "", "manual"},
		"the policy's own words":     {"Art. 6 (1) f", "manual", []string{"Art. 6 (1) f"}, "Art. 6 (1) f", "manual"},
	} {
		s := newState()
		s.Send.Recipient.Name, s.Send.Consent = "Ana", &survey.Consent{Basis: tt.basis, At: noon}
		ch, to := s.Target()
		for _, scope := range []string{survey.ScopeChannel, survey.ScopeAll, survey.ScopeUnreachable} {
			s.Suppressions = []survey.Suppression{{Channel: ch, Address: to, Scope: scope, Reason: tt.reason, At: noon}}
			p := survey.Policy{Consent: survey.ConsentPolicy{Bases: tt.bases}, Reach: map[survey.Channel]time.Duration{ch: survey.Forever}}
			saw := map[string]any{}
			for _, r := range survey.Decide(s, survey.Facts{}, p, noon).Rules {
				maps.Copy(saw, r.Saw)
			}
			if saw["basis"] != tt.wantBasis || saw["reason"] != tt.wantReason {
				t.Errorf("%s, scope %s: saw %v", name, scope, saw)
			}
		}
	}
}
