package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// A planStub knows one channel and one recipient without an address.
type planStub struct{ broken bool }

func (p planStub) Plan(s *survey.Send, _ survey.Wish) []survey.FieldError {
	switch {
	case p.broken:
		return []survey.FieldError{{Pointer: "/survey", Code: web.CodeUnavailable, Detail: "the store is away"}}
	case s.Recipient.Phone == "":
		return []survey.FieldError{{Pointer: "/recipient", Code: "no_address", Detail: "no address"}}
	}
	s.Lane = "sms"
	return nil
}

// A placeStub has a number of places left.
type placeStub struct {
	left     int
	reserved *[]survey.Place
	fault    error
}

func (p placeStub) Reserve(ctx context.Context, places []survey.Place) ([]bool, error) {
	*p.reserved = append(*p.reserved, places...)
	return p.Free(ctx, places)
}

func (p placeStub) Free(_ context.Context, places []survey.Place) ([]bool, error) {
	out := make([]bool, len(places))
	for i := range out {
		out[i] = i < p.left
	}
	return out, p.fault
}

func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	event := func(kind, phone string, at time.Time) survey.TransactionEvent {
		return survey.TransactionEvent{ID: "e", Mode: survey.Live, Recipient: survey.Recipient{Phone: phone}, Transaction: survey.Transaction{
			ID: kind + phone, Type: kind, OccurredAt: at, Attributes: map[string]string{"store": "Zagreb-1"},
		}}
	}
	rules := []survey.Trigger{
		{ID: "capped", Types: []string{"a", "b"}, Survey: "nps-after-purchase", Sample: 1, Cap: survey.DailyCap{N: 50, Per: "store"}},
		{ID: "free", Types: []string{"b", "c"}, Survey: "ces-after-return", Sample: 1},
		{ID: "never", Types: []string{"c"}, Survey: "csat-after-support"},
	}
	tests := []struct {
		name     string
		events   []survey.TransactionEvent
		left     int
		dry      bool
		want     [][]survey.Reason
		reserved int
	}{
		{"a place", []survey.TransactionEvent{event("a", "+1", now)}, 1, false, [][]survey.Reason{{""}}, 1},
		{"no place", []survey.TransactionEvent{event("b", "+1", now)}, 0, false, [][]survey.Reason{{survey.SkipDailyCap, ""}}, 1},
		{"one place for two", []survey.TransactionEvent{event("a", "+1", now), event("a", "+2", now)}, 1, false, [][]survey.Reason{{""}, {survey.SkipDailyCap}}, 2},
		{"dry", []survey.TransactionEvent{event("a", "+1", now)}, 0, true, [][]survey.Reason{{survey.SkipDailyCap}}, 0},
		{"no address takes no place", []survey.TransactionEvent{event("a", "", now)}, 1, false, [][]survey.Reason{{survey.ReasonNoAddress}}, 0},
		{"too late takes no place", []survey.TransactionEvent{event("a", "+1", now.AddDate(0, 0, -8))}, 1, false, [][]survey.Reason{{survey.ReasonExpired}}, 0},
		{"no cap", []survey.TransactionEvent{event("c", "+1", now)}, 0, false, [][]survey.Reason{{"", survey.SkipSample}}, 0},
		{"no rule", []survey.TransactionEvent{event("d", "+1", now)}, 0, false, [][]survey.Reason{nil}, 0},
	}
	surveys := map[string]survey.Survey{}
	for _, s := range survey.Builtin() {
		surveys[s.ID] = s
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var reserved []survey.Place
			d := triggering{
				rules: rules, surveys: surveys, plan: planStub{}, places: placeStub{left: tt.left, reserved: &reserved}, zone: time.UTC,
				now: func() time.Time { return now },
			}
			fired, err := d.Decide(t.Context(), tt.events, tt.dry)
			if err != nil {
				t.Fatal(err)
			}
			got := make([][]survey.Reason, len(fired))
			for i := range fired {
				for _, f := range fired[i] {
					got[i] = append(got[i], f.Skipped)
					if f.Skipped == "" && f.Send.Lane != "sms" || f.Skipped != "" && f.Saw == nil {
						t.Errorf("%s: %+v", f.Trigger.ID, f)
					}
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || len(reserved) != tt.reserved {
				t.Errorf("%d places asked for; %s", len(reserved), diff)
			}
		})
	}
	// What is a fault of ours must not be told as a decision: the event would never come again.
	broken := triggering{rules: rules, surveys: surveys, plan: planStub{broken: true}, places: placeStub{}, now: func() time.Time { return now }}
	if _, err := broken.Decide(t.Context(), tests[0].events, false); !errors.Is(err, survey.ErrUnavailable) {
		t.Errorf("without releases: %v", err)
	}
	away := errors.New("away")
	broken = triggering{rules: rules, surveys: surveys, plan: planStub{}, places: placeStub{reserved: new([]survey.Place), fault: away}, now: func() time.Time { return now }}
	if _, err := broken.Decide(t.Context(), tests[0].events, false); !errors.Is(err, away) || !errors.Is(err, survey.ErrUnavailable) {
		t.Errorf("without places: %v", err)
	}
}
