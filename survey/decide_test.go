package survey_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
)

var day = survey.Window{From: 9 * 60, To: 20 * 60}

func TestWindowNext(t *testing.T) {
	t.Parallel()
	zagreb, err := time.LoadLocation("Europe/Zagreb")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, zagreb)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := []struct {
		name      string
		w         survey.Window
		now, want string
	}{
		{"inside", day, "2026-11-20 12:00", "2026-11-20 12:00"},
		{"opens", day, "2026-11-20 09:00", "2026-11-20 09:00"},
		{"closed", day, "2026-11-20 20:00", "2026-11-21 09:00"},
		{"early", day, "2026-11-20 08:59", "2026-11-20 09:00"},
		{"over midnight, inside", survey.Window{From: 22 * 60, To: 6 * 60}, "2026-11-20 03:00", "2026-11-20 03:00"},
		{"over midnight, outside", survey.Window{From: 22 * 60, To: 6 * 60}, "2026-11-20 12:00", "2026-11-20 22:00"},
		{"night of the spring change", day, "2026-03-28 23:00", "2026-03-29 09:00"},
		{"skipped opening", survey.Window{From: 150, To: 600}, "2026-03-29 00:10", "2026-03-29 03:30"},
		{"none", survey.Window{}, "2026-11-20 03:00", "2026-11-20 03:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.w.Next(at(tt.now), zagreb); !got.Equal(at(tt.want)) {
				t.Errorf("after %s opens %s, want %s", tt.now, got.In(zagreb), tt.want)
			}
		})
	}
	// 02:30 comes twice on 25 October: the first one opens, at 00:30 UTC.
	w := survey.Window{From: 150, To: 600}
	if got, want := w.Next(at("2026-10-25 00:10"), zagreb), time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("the doubled opening is %s, want %s", got.UTC(), want)
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	night := time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC)
	p := survey.Policy{Window: day, Cooldown: 90 * 24 * time.Hour}
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
			d := survey.Decide(s, tt.invited, p, tt.now)
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
		d := survey.Decide(s, time.Time{}, survey.Policy{Window: day}, now)
		if d.Verdict != survey.Stop || d.Status != survey.Expired {
			t.Fatalf("%s, %s", d.Verdict, d.Status)
		}
	})
}

// Whatever the hour and the window, what the window allows is inside it and within a day and a change of clocks.
func TestWindowNeverOutside(t *testing.T) {
	t.Parallel()
	zones := []string{"Europe/Zagreb", "Europe/Belgrade", "Europe/Warsaw", "Asia/Tehran", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		w := survey.Window{From: rapid.IntRange(4*60, 1439).Draw(t, "from"), To: rapid.IntRange(4*60, 1439).Draw(t, "to")}
		now := time.Unix(rapid.Int64Range(1.7e9, 1.9e9).Draw(t, "now"), 0)
		got := w.Next(now, zone)
		if got.Before(now) || got.Sub(now) > 25*time.Hour {
			t.Fatalf("from %s opens %s", now, got)
		}
		if again := w.Next(got, zone); !again.Equal(got) {
			t.Fatalf("%s is not inside %+v", got.In(zone), w)
		}
	})
}
