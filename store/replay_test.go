package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		old, plain, asked, test := newSend(1), newSend(2), newSend(3), newSend(4)
		old.CreatedAt, plain.CreatedAt, asked.CreatedAt, test.CreatedAt = t0.Add(-time.Hour), t0, t0, t0
		test.Mode = survey.Test
		out := accept(t, s, old, plain, asked, test)
		n := 7
		_, err := s.Apply(ctx, out[2].ID, func(st *survey.State) error {
			for i, status := range []survey.AttemptStatus{survey.AttemptFailed, survey.AttemptDelivered, survey.AttemptAccepted} {
				kind := survey.Invitation
				if i == 2 {
					kind = survey.Reminder
				}
				at := t0.Add(time.Duration(i+1) * time.Hour)
				st.Attempts = append(st.Attempts, survey.Attempt{
					ID: fmt.Sprint("att_", i), SendID: st.Send.ID, Kind: kind, Channel: survey.SMS, Sender: "sms", Address: "+385911", Status: status, At: at, UpdatedAt: at,
				})
			}
			st.Send.Status = survey.Answered
			st.Response = &survey.Response{
				ID: "rsp_1", SendID: st.Send.ID, Mode: survey.Live, Survey: st.Send.Survey, Metric: survey.NPS, Score: n, Segment: survey.Passive,
				CreatedAt: t0.Add(4 * time.Hour), UpdatedAt: t0.Add(5 * time.Hour),
			}
			return nil
		})
		must(t, err)
		var got []survey.PastSend
		for p, err := range s.History(ctx, survey.Live, t0) {
			must(t, err)
			got = append(got, p)
		}
		if len(got) != 2 {
			t.Fatalf("%d sends, want 2: neither the old one nor the test", len(got))
		}
		a, b := got[0], got[1]
		if a.Send.ID != out[1].ID || !a.InvitedAt.IsZero() || !a.LastInvitedAt.IsZero() || !a.AnsweredAt.IsZero() {
			t.Errorf("the one that never went: %+v", a)
		}
		diff(t, "attributes", newSend(2).Transaction.Attributes, a.Send.Transaction.Attributes)
		times := [3]time.Duration{b.InvitedAt.Sub(t0), b.LastInvitedAt.Sub(t0), b.AnsweredAt.Sub(t0)}
		if want := [3]time.Duration{2 * time.Hour, 3 * time.Hour, 4 * time.Hour}; b.Send.ID != out[2].ID || times != want {
			t.Errorf("invited, invited last, answered at %v, want %v", times, want)
		}
		seen := 0
		for range s.History(ctx, survey.Live, time.Time{}) {
			if seen++; seen == 1 {
				break // and nothing stays open: the store closes
			}
		}
	})
}
