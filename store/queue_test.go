package store_test

import (
	"testing"
	"time"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// dueSend is a send of a survey, due some minutes before t0.
func dueSend(i int, sv string, p survey.Priority, minutes int) survey.Send {
	m := newSend(i)
	m.Survey, m.Priority, m.DueAt = sv, p, t0.Add(-time.Duration(minutes)*time.Minute)
	return m
}

func TestDueOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		out := accept(t, s,
			dueSend(0, "a", survey.Batch, 99),
			dueSend(1, "a", survey.Single, 5),
			dueSend(2, "a", survey.Single, 9),
			dueSend(3, "a", survey.Single, 7),
			dueSend(4, "b", survey.Single, 1),
			dueSend(5, "b", survey.Batch, 3),
			dueSend(6, "b", survey.Single, 50),
			dueSend(7, "b", survey.Single, -1), // not yet
		)
		_, err := s.Apply(ctx, out[6].ID, func(st *survey.State) error { // becomes a conversation
			st.Send.Kind, st.Send.DueAt = survey.ThanksPassive, t0
			return nil
		})
		must(t, err)
		names := map[string]int{}
		for i, o := range out {
			names[o.ID] = i
		}
		order := func(limit int) []int {
			t.Helper()
			refs, err := s.Due(ctx, "bot", t0, limit)
			must(t, err)
			var got []int
			for _, r := range refs {
				got = append(got, names[r.ID])
			}
			return got
		}
		either := func(limit int, first, second []int) {
			t.Helper()
			got := order(limit)
			if d := equal(got, first); !d && !equal(got, second) {
				t.Errorf("due %v, want %v or %v", got, first, second)
			}
		}
		// Conversations, then singles in turns, then batches in turns; either survey may begin.
		got := order(10)
		if len(got) != 7 {
			t.Fatalf("due %v", got)
		}
		diff(t, "conversation", []int{6}, got[:1])
		singles := equal(got[1:5], []int{2, 4, 3, 1}) || equal(got[1:5], []int{4, 2, 3, 1})
		batches := equal(got[5:], []int{0, 5}) || equal(got[5:], []int{5, 0})
		if !singles || !batches {
			t.Errorf("due %v", got)
		}
		either(3, []int{6, 2, 4}, []int{6, 4, 2})
		diff(t, "first", []int{6}, order(1))
		lanes, err := s.DueLanes(ctx, t0.Add(-200*time.Minute))
		must(t, err)
		if len(lanes) != 0 {
			t.Errorf("due lanes %v before anything is due", lanes)
		}
		lanes, err = s.DueLanes(ctx, t0)
		must(t, err)
		diff(t, "due lanes", []string{"bot"}, lanes)
		if m, _, err := s.Send(ctx, out[5].ID); err != nil || m.Priority != survey.Batch {
			t.Errorf("priority %d, %v", m.Priority, err)
		}
	})
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// A survey with a long backlog gets no more than the others, also when only one send goes at a time.
func TestDueShares(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var sends []survey.Send
		for i := range 300 {
			sends = append(sends, dueSend(i, "long", survey.Batch, 1000-i))
		}
		for i := range 30 {
			sends = append(sends, dueSend(300+i, "short", survey.Batch, 1), dueSend(400+i, "third", survey.Batch, 2))
		}
		surveys := map[string]string{}
		for _, o := range accept(t, s, sends...) {
			surveys[o.ID] = o.Send.Survey
		}
		count := func(limit int) map[string]int {
			t.Helper()
			refs, err := s.Due(ctx, "bot", t0, limit)
			must(t, err)
			n := map[string]int{}
			seen := map[string]bool{}
			for _, r := range refs {
				if n[surveys[r.ID]]++; seen[r.ID] {
					t.Errorf("%s twice", r.ID)
				}
				seen[r.ID] = true
			}
			return n
		}
		diff(t, "shares of 30", map[string]int{"long": 10, "short": 10, "third": 10}, count(30))
		diff(t, "shares of 150", map[string]int{"long": 90, "short": 30, "third": 30}, count(150))
		alone := map[string]int{}
		for range 150 {
			for sv := range count(1) {
				alone[sv]++
			}
		}
		for _, sv := range []string{"long", "short", "third"} {
			if n := alone[sv]; n < 20 { // 50 expected
				t.Errorf("one at a time: %s comes %d times of 150", sv, n)
			}
		}
	})
}
