package survey_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

// letter is a send that failed on its last step, of three, a day ago.
func letter(why survey.Reason, now time.Time, attempts ...survey.Attempt) *survey.State {
	s := &survey.State{Send: survey.Send{
		ID: "snd_1", Status: survey.Failed, Reason: why, Step: 2, Tries: 0, Epoch: 7, Kind: survey.Invitation,
		CreatedAt: now.Add(-72 * time.Hour), ExpiresAt: now.Add(time.Hour),
		Recipient: survey.Recipient{Phone: "+385911234567", Email: "ana@example.hr"},
		Plan: []survey.Step{
			{Channel: survey.Viber, Sender: "bot"}, {Channel: survey.SMS, Sender: "sms"}, {Channel: survey.Email, Sender: "mail"},
		},
	}}
	for i, a := range attempts {
		a.ID, a.Kind = "att_"+string(rune('a'+i)), survey.Invitation
		s.Attempts = append(s.Attempts, a)
	}
	return s
}

func failed(step int, fault string) survey.Attempt {
	return survey.Attempt{Step: step, Status: survey.AttemptFailed, Fault: fault}
}

func TestReplayedBeginsWhere(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		attempts []survey.Attempt
		step     int
		lane     string
	}{
		{"nothing was tried", nil, 0, "bot"},
		{"all failed for a while", []survey.Attempt{failed(0, survey.FaultTransient), failed(1, survey.FaultRejected), failed(2, survey.FaultTransient)}, 0, "bot"},
		{"the first cannot be reached", []survey.Attempt{failed(0, survey.FaultUnreachable), failed(1, survey.FaultTransient)}, 1, "sms"},
		{"none can be reached", []survey.Attempt{failed(0, survey.FaultUnreachable), failed(1, survey.FaultUnreachable), failed(2, survey.FaultUnreachable)}, 2, "mail"},
		{"reached at an earlier try", []survey.Attempt{failed(0, survey.FaultUnreachable), failed(0, survey.FaultTransient)}, 0, "bot"},
		{"a provider has an earlier one", []survey.Attempt{{Step: 0, Status: survey.AttemptSent}, failed(2, survey.FaultTransient)}, 2, "mail"},
		{"uncertain", []survey.Attempt{failed(0, survey.FaultUnreachable), {Step: 1, Status: survey.AttemptUncertain}}, 1, "sms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := letter(survey.ReasonAttempts, now, tt.attempts...)
			if err := survey.Replayed(s, "key_9", now); err != nil {
				t.Fatal(err)
			}
			m := s.Send
			if m.Step != tt.step || m.Lane != tt.lane || m.Status != survey.Scheduled || m.Reason != "" || m.Epoch != 8 || !m.DueAt.Equal(now) ||
				!m.ExpiresAt.Equal(now.Add(time.Hour)) {
				t.Errorf("step %d lane %s %s %q epoch %d due %s until %s; want step %d lane %s", m.Step, m.Lane, m.Status, m.Reason, m.Epoch, m.DueAt, m.ExpiresAt, tt.step, tt.lane)
			}
			e := s.Events[len(s.Events)-1]
			want := map[string]any{"actor": "key_9", "reason": "attempts_exhausted", "step": tt.step, "expires_at": m.ExpiresAt}
			if d := cmp.Diff(want, e.Data); e.Type != "send.replayed" || d != "" {
				t.Errorf("%s (-want +got):\n%s", e.Type, d)
			}
		})
	}
}

// A replay gives a message all its tries: what was tried before it counts for nothing, neither as tries nor as their age.
func TestReplayedHasAllItsTries(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		retry    survey.Retry
		reported bool // a receipt says that it did not arrive; else the provider does not take it
		tries    int
	}{
		{"not taken", survey.Retry{}, false, survey.MaxTries},
		{"taken, and did not arrive", survey.Retry{}, true, survey.MaxTries},
		{"so many", survey.Retry{Tries: 3}, true, 3},
		{"for so long", survey.Retry{Age: 4 * time.Hour}, false, 4},
		{"for so long, as receipts say", survey.Retry{Age: 4 * time.Hour}, true, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := letter(survey.ReasonAttempts, now)
			s.Send.Plan, s.Send.Step, s.Send.Status, s.Send.Lane = s.Send.Plan[2:], 0, survey.Scheduled, "mail"
			s.Send.ExpiresAt = now.Add(90 * 24 * time.Hour)
			for life := range 3 {
				at, tries := now.Add(time.Duration(life)*72*time.Hour), 0
				if life > 0 {
					if err := survey.Replayed(s, "key_9", at); err != nil {
						t.Fatal(err)
					}
				}
				for ; !s.Send.Status.Final(); tries++ {
					id := fmt.Sprint(life, " ", tries)
					claim(t, s, id, at)
					if tt.reported {
						finish(t, s, id, survey.Result{ProviderID: id}, at)
						r := survey.Report{AttemptID: id, Status: survey.AttemptFailed, Fault: survey.FaultTransient, Backoff: time.Hour, Retry: tt.retry}
						if err := survey.Heard(s, r, at); err != nil {
							t.Fatal(err)
						}
					} else {
						finish(t, s, id, survey.Result{Fault: survey.FaultTransient, Backoff: time.Hour, Retry: tt.retry}, at)
					}
					at = s.Send.DueAt
				}
				if tries != tt.tries || s.Send.Reason != survey.ReasonAttempts {
					t.Errorf("life %d: %d tries, %s; want %d", life, tries, s.Send.Reason, tt.tries)
				}
			}
		})
	}
}

func TestReplayedLife(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	tests := []struct {
		name             string
		created, expires time.Duration // from now
		want             time.Duration
	}{
		{"not over", -time.Hour, time.Minute, time.Minute},
		{"over", -72 * time.Hour, -24 * time.Hour, 48 * time.Hour},
		{"over at this moment", -72 * time.Hour, 0, 72 * time.Hour},
		{"long", -90 * 24 * time.Hour, -time.Hour, survey.MaxReplayLife},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := letter(survey.ReasonRender, now)
			s.Send.CreatedAt, s.Send.ExpiresAt = now.Add(tt.created), now.Add(tt.expires)
			if err := survey.Replayed(s, "key_9", now); err != nil || !s.Send.ExpiresAt.Equal(now.Add(tt.want)) {
				t.Errorf("expires %s after now, %v; want %s", s.Send.ExpiresAt.Sub(now), err, tt.want)
			}
		})
	}
}

func TestReplayedOnlyDeadLetters(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	for _, st := range survey.Statuses() {
		for _, why := range []survey.Reason{"", survey.ReasonOptedOut, survey.ReasonCancelled, survey.ReasonUncertain, survey.ReasonMisconfigured} {
			s := letter(why, now)
			s.Send.Status = st
			dead := st == survey.Failed && (why == survey.ReasonUncertain || why == survey.ReasonMisconfigured)
			if err := survey.Replayed(s, "key_9", now); dead != (err == nil) || !dead && (!errors.Is(err, survey.ErrConflict) || len(s.Events) > 0 || s.Send.Status != st) {
				t.Errorf("%s %q: %v, %d events", st, why, err, len(s.Events))
			}
		}
	}
}

// Law 3: a replay says that the uncertain attempt did not arrive, so that the next one may be made; a receipt that still
// comes says more, and ends the replay before it sends.
func TestReplayedUncertain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	uncertain := survey.Attempt{Step: 2, Status: survey.AttemptUncertain, Channel: survey.Email, Sender: "mail", Fault: survey.FaultUnconfirmed}
	next := survey.Attempt{ID: "att_new", Kind: survey.Invitation, Step: 2, Channel: survey.Email, Sender: "mail", Epoch: 8}
	replay := func() *survey.State {
		s := letter(survey.ReasonUncertain, now, failed(0, survey.FaultUnreachable), failed(1, survey.FaultUnreachable), uncertain)
		if err := survey.Replayed(s, "key_9", now); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := replay()
	if err := survey.Claim(s, next, now.Add(time.Minute), survey.Decision{}, nil, now); err != nil || s.Send.Status != survey.Sending || len(s.Attempts) != 4 {
		t.Errorf("claim: %v, %s, %d attempts", err, s.Send.Status, len(s.Attempts))
	}
	s = replay()
	if err := survey.Heard(s, survey.Report{AttemptID: s.Attempts[2].ID, Status: survey.AttemptDelivered}, now); err != nil {
		t.Fatal(err)
	}
	if s.Send.Status != survey.Delivered || s.Send.Lane != "" {
		t.Errorf("after the receipt: %s in lane %q", s.Send.Status, s.Send.Lane)
	}
	if err := survey.Claim(s, next, now, survey.Decision{}, nil, now); !errors.Is(err, survey.ErrConflict) {
		t.Errorf("claim after the receipt: %v", err)
	}
}
