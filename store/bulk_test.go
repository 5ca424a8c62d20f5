package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

const long = time.Minute // more than a bulk of a test takes

// tried gives a send an attempt that failed with a fault.
func tried(t *testing.T, s *store.Store, id, sender, fault, code string, change ...func(*survey.State)) {
	t.Helper()
	_, err := s.Apply(t.Context(), id, func(st *survey.State) error {
		st.Attempts = append(st.Attempts, survey.Attempt{
			Kind: survey.Invitation, Channel: survey.SMS, Sender: sender, Address: st.Send.Recipient.Phone,
			Status: survey.AttemptFailed, Fault: fault, Code: code, At: t0,
		})
		for _, f := range change {
			f(st)
		}
		return nil
	})
	must(t, err)
}

// dies ends a send as a dead letter.
func dies(why survey.Reason) func(*survey.State) {
	return func(st *survey.State) { st.Send.Status, st.Send.Reason, st.Send.Lane = survey.Failed, why, "" }
}

func cancelled(t *testing.T, s *store.Store, ids []string) []int {
	t.Helper()
	var out []int
	for i, id := range ids {
		if m, _, err := s.Send(t.Context(), id); err != nil {
			t.Fatal(err)
		} else if m.Status == survey.Cancelled {
			out = append(out, i)
		}
	}
	return out
}

func TestCancelManyFilters(t *testing.T) {
	t.Parallel()
	of := func(i int, change func(*survey.Send)) survey.Send {
		m := newSend(i)
		m.CreatedAt = t0.Add(time.Duration(i) * time.Minute)
		change(&m)
		return m
	}
	sends := []survey.Send{
		of(0, func(*survey.Send) {}),
		of(1, func(m *survey.Send) { m.Survey = "csat-after-support" }),
		of(2, func(m *survey.Send) { m.Mode = survey.Test }),
		of(3, func(m *survey.Send) { m.Transaction.Type = "order.returned" }),
		of(4, func(m *survey.Send) { m.Transaction.Touchpoint = "store" }),
		of(5, func(m *survey.Send) { // says «delivery» in the wrong places, and in another case
			m.Transaction.Touchpoint, m.Metadata = "DELIVERY", []byte(`{"touchpoint":"delivery","t":{"type":"order.returned"}}`)
		}),
		of(6, func(m *survey.Send) { m.Lane = "sms" }),
		of(7, func(m *survey.Send) { m.Transaction.Touchpoint = `a"b\c%d_e` }),
		of(8, func(m *survey.Send) { m.Status, m.Lane = survey.Sent, "" }), // nothing is due: not pending
	}
	nps := "nps-after-purchase"
	tests := []struct {
		name   string
		filter survey.CancelFilter
		ids    []int
		want   []int
	}{
		{"survey", survey.CancelFilter{Mode: survey.Live, Survey: nps}, nil, []int{0, 3, 4, 5, 6, 7}},
		{"other survey", survey.CancelFilter{Mode: survey.Live, Survey: "csat-after-support"}, nil, []int{1}},
		{"other mode", survey.CancelFilter{Mode: survey.Test, Survey: nps}, nil, []int{2}},
		{"type", survey.CancelFilter{Mode: survey.Live, TransactionType: "order.returned"}, nil, []int{3}},
		{"touchpoint", survey.CancelFilter{Mode: survey.Live, Touchpoint: "delivery"}, nil, []int{0, 1, 3, 6}},
		{"touchpoint with signs", survey.CancelFilter{Mode: survey.Live, Touchpoint: `a"b\c%d_e`}, nil, []int{7}},
		{"type and touchpoint", survey.CancelFilter{Mode: survey.Live, TransactionType: "order.delivered", Touchpoint: "store"}, nil, []int{4}},
		{"created before", survey.CancelFilter{Mode: survey.Live, CreatedBefore: t0.Add(4 * time.Minute)}, nil, []int{0, 1, 3}},
		{"ids", survey.CancelFilter{Mode: survey.Live}, []int{1, 4, 2, 8, 4}, []int{1, 4}},
		{"ids and survey", survey.CancelFilter{Mode: survey.Live, Survey: nps}, []int{1, 4}, []int{4}},
		{"ids and touchpoint", survey.CancelFilter{Mode: survey.Live, Touchpoint: "delivery"}, []int{0, 4}, []int{0}},
		{"ids and time", survey.CancelFilter{Mode: survey.Live, CreatedBefore: t0.Add(time.Minute)}, []int{0, 4}, []int{0}},
		{"unknown id", survey.CancelFilter{Mode: survey.Live, IDs: []string{"snd_none"}}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				var ids []string
				for _, a := range accept(t, s, sends...) {
					ids = append(ids, a.ID)
				}
				f := tt.filter
				for _, i := range tt.ids {
					f.IDs = append(f.IDs, ids[i])
				}
				count, err := s.CountPending(t.Context(), f)
				must(t, err)
				n, more, err := s.CancelMany(t.Context(), f, "key_9", long)
				must(t, err)
				if n != int64(len(tt.want)) || count != n || more {
					t.Errorf("counted %d, cancelled %d, more %t; want %d", count, n, more, len(tt.want))
				}
				diff(t, "cancelled", tt.want, cancelled(t, s, ids))
			})
		})
	}
}

// Cancelling many leaves a send and its ledger as cancelling it alone does.
func TestCancelManyIsCancel(t *testing.T) {
	t.Parallel()
	clock := t0.Add(time.Hour)
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			cfg.Now = func() time.Time { return clock }
			s := storetest.OpenConfig(t, cfg)
			out := accept(t, s, newSend(1), newSend(2))
			for _, a := range out {
				_, err := s.Apply(t.Context(), a.ID, func(st *survey.State) error {
					st.Send.Status, st.Send.Reason, st.Send.Tries = survey.Scheduled, survey.ReasonTransient, 2
					return nil
				})
				must(t, err)
			}
			alone, err := s.Apply(t.Context(), out[0].ID, func(st *survey.State) error { return survey.Cancel(st, "key_9", clock) })
			must(t, err)
			n, _, err := s.CancelMany(t.Context(), survey.CancelFilter{Mode: survey.Live, IDs: []string{out[1].ID}}, "key_9", long)
			must(t, err)
			many, _, err := s.Send(t.Context(), out[1].ID)
			must(t, err)
			same := cmpopts.IgnoreFields(survey.Send{}, "ID", "ContactID", "Recipient", "Transaction")
			if d := cmp.Diff(alone.Send, many, same); d != "" || n != 1 {
				t.Errorf("%d cancelled, -alone +many:\n%s", n, d)
			}
			var events [2][]survey.Event
			for i, a := range out {
				events[i], _, err = s.Events(t.Context(), a.ID, "", 0)
				must(t, err)
			}
			if d := cmp.Diff(events[0], events[1], cmpopts.IgnoreFields(survey.Event{}, "ID", "SendID")); d != "" {
				t.Errorf("ledger -alone +many:\n%s", d)
			}
		})
	}
}

// Who has taken a send loses it; what was tried goes through survey.Cancel; who has answered is left alone.
func TestCancelManyUnderWork(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		out := accept(t, s, newSend(1), newSend(2), newSend(3))
		held, err := s.Take(t.Context(), "bot", []survey.Ref{{ID: out[0].ID}}, t0.Add(time.Hour))
		must(t, err)
		tried(t, s, out[1].ID, "bot", survey.FaultTransient, "")
		tried(t, s, out[2].ID, "bot", "", "", func(st *survey.State) { st.Send.Status = survey.Answered })
		f := survey.CancelFilter{Mode: survey.Live, Survey: "nps-after-purchase"}
		count, err := s.CountPending(t.Context(), f)
		must(t, err)
		n, more, err := s.CancelMany(t.Context(), f, "key_9", long)
		must(t, err)
		if n != 2 || count != 2 || more {
			t.Errorf("cancelled %d, more %t", n, more)
		}
		var ids []string
		for _, a := range out {
			ids = append(ids, a.ID)
		}
		diff(t, "cancelled", []int{0, 1}, cancelled(t, s, ids))
		_, err = s.Apply(t.Context(), held[0].ID, func(st *survey.State) error {
			return survey.Claim(st, survey.Attempt{Sender: "bot", Epoch: held[0].Epoch}, t0, survey.Decision{}, nil, t0)
		})
		if !errors.Is(err, survey.ErrConflict) {
			t.Errorf("who holds a cancelled send claims it: %v", err)
		}
		if counts, err := s.Counts(t.Context(), survey.Live); err != nil || counts[survey.Cancelled] != 2 || counts[survey.Answered] != 1 {
			t.Errorf("counts %v, %v", counts, err)
		}
	})
}

// Many chunks and passes end all, each with one row in the ledger, while others accept; a budget of nothing ends none.
func TestCancelManyInChunks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const all = 5001
		sends := make([]survey.Send, all)
		for i := range sends {
			sends[i] = newSend(i)
		}
		out := accept(t, s, sends...)
		f := survey.CancelFilter{Mode: survey.Live, Survey: "nps-after-purchase"}
		if n, more, err := s.CancelMany(t.Context(), f, "key_9", -1); n != 0 || !more || err != nil {
			t.Errorf("without time: %d, %t, %v", n, more, err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			other := newSend(all)
			other.Survey = "csat-after-support"
			accept(t, s, other)
		})
		n, more, err := s.CancelMany(t.Context(), f, "key_9", long)
		wg.Wait()
		must(t, err)
		if n != all || more {
			t.Errorf("cancelled %d, more %t", n, more)
		}
		for _, i := range []int{0, 999, 1000, all - 1} {
			events, _, err := s.Events(t.Context(), out[i].ID, "", 0)
			must(t, err)
			if len(events) != 2 || events[0].Type != "send.cancelled" {
				t.Errorf("ledger of %d: %+v", i, events)
			}
		}
		counts, err := s.Counts(t.Context(), survey.Live)
		must(t, err)
		diff(t, "counts", map[survey.Status]int64{survey.Cancelled: all, survey.Accepted: 1}, counts)
	})
}

func TestLetters(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var sends []survey.Send
		for i := range 7 {
			sends = append(sends, newSend(i))
		}
		sends[3].Survey, sends[4].Mode = "csat-after-support", survey.Test
		var ids []string
		for _, a := range accept(t, s, sends...) {
			ids = append(ids, a.ID)
		}
		tried(t, s, ids[0], "sms", survey.FaultTransient, "500", dies(survey.ReasonAttempts))
		tried(t, s, ids[1], "bot", survey.FaultTransient, "1", func(st *survey.State) { st.Attempts[0].At = t0.Add(-time.Hour) })
		tried(t, s, ids[1], "sms", survey.FaultRejected, "30007", dies(survey.ReasonProviderRejected))
		tried(t, s, ids[2], "sms", survey.FaultUnconfirmed, "timeout", dies(survey.ReasonUncertain))
		tried(t, s, ids[3], "sms", survey.FaultRejected, "30007", dies(survey.ReasonProviderRejected), func(st *survey.State) { st.Send.UpdatedAt = t0.Add(1000 * time.Hour) })
		tried(t, s, ids[4], "sms", survey.FaultRejected, "30007", dies(survey.ReasonProviderRejected))
		tried(t, s, ids[5], "sms", survey.FaultTransient, "", func(st *survey.State) { // waits, and is no letter
			st.Send.Status, st.Send.Reason = survey.Scheduled, survey.ReasonMisconfigured
		})
		_, err := s.Apply(t.Context(), ids[6], func(st *survey.State) error { // without an attempt
			dies(survey.ReasonRender)(st)
			st.Send.UpdatedAt = t0
			return nil
		})
		must(t, err)
		tests := []struct {
			name   string
			filter survey.LetterFilter
			want   []int
		}{
			{"all", survey.LetterFilter{}, []int{6, 3, 2, 1, 0}},
			{"test", survey.LetterFilter{Mode: survey.Test}, []int{4}},
			{"reason", survey.LetterFilter{Reason: survey.ReasonRender}, []int{6}},
			{"sender", survey.LetterFilter{Sender: "sms"}, []int{3, 2, 1, 0}},
			{"sender of an earlier attempt", survey.LetterFilter{Sender: "bot"}, nil},
			{"fault", survey.LetterFilter{Fault: survey.FaultTransient}, []int{0}},
			{"code", survey.LetterFilter{Code: "30007"}, []int{3, 1}},
			{"survey", survey.LetterFilter{Survey: "csat-after-support"}, []int{3}},
			{"since", survey.LetterFilter{Code: "30007", Since: t0.Add(1000 * time.Hour)}, []int{3}},
			{"exactly nothing", survey.LetterFilter{Exact: true}, []int{6}},
			{"exactly", survey.LetterFilter{Sender: "sms", Fault: survey.FaultTransient, Code: "500", Exact: true}, []int{0}},
			{"exactly without a code", survey.LetterFilter{Sender: "sms", Fault: survey.FaultTransient, Exact: true}, nil},
			{"sure", survey.LetterFilter{Sender: "sms", Sure: true}, []int{3, 1, 0}},
			{"page", survey.LetterFilter{Limit: 2}, []int{6, 3}},
			{"cursor", survey.LetterFilter{Cursor: ids[2]}, []int{1, 0}},
		}
		for _, tt := range tests {
			f := tt.filter
			if f.Mode == "" {
				f.Mode = survey.Live
			}
			letters, next, err := s.Letters(t.Context(), f)
			must(t, err)
			var got []int
			for _, l := range letters {
				got = append(got, slices.Index(ids, l.Send.ID))
			}
			diff(t, tt.name, tt.want, got)
			if (next != "") != (tt.name == "page") {
				t.Errorf("%s: next %q", tt.name, next)
			}
		}
		letters, _, err := s.Letters(t.Context(), survey.LetterFilter{Mode: survey.Live, Survey: "nps-after-purchase", Code: "30007"})
		must(t, err)
		if l := letters[0]; l.Sender != "sms" || l.Fault != survey.FaultRejected || l.Code != "30007" || l.Send.Recipient.Name != "Ana Kovač" {
			t.Errorf("letter %+v", l)
		}
		if _, _, err := s.Letters(t.Context(), survey.LetterFilter{Cursor: "x"}); err == nil {
			t.Error("a wrong cursor is taken")
		}
		groups, more, err := s.LetterSummary(t.Context(), survey.LetterFilter{Mode: survey.Live, Since: t0})
		must(t, err)
		var lines []string
		for _, g := range groups {
			lines = append(lines, fmt.Sprintf("%d %s %s %s %s %t", g.Count, g.Reason, g.Sender, g.Fault, g.Code, g.Last.Before(g.First)))
		}
		diff(t, "summary", []string{
			"2 provider_rejected sms rejected 30007 false", "1 attempts_exhausted sms transient 500 false",
			"1 render_failed    false", "1 uncertain sms unconfirmed timeout false",
		}, lines)
		if more {
			t.Error("more")
		}
	})
}

func TestReplayLetters(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var ids []string
		for _, a := range accept(t, s, newSend(0), newSend(1), newSend(2), newSend(3)) {
			ids = append(ids, a.ID)
		}
		tried(t, s, ids[0], "bot", survey.FaultTransient, "500", dies(survey.ReasonAttempts))
		tried(t, s, ids[1], "bot", survey.FaultRejected, "30007", dies(survey.ReasonProviderRejected))
		tried(t, s, ids[2], "bot", survey.FaultUnconfirmed, "timeout", dies(survey.ReasonUncertain))
		// Of a class: never one that may have been delivered.
		n, next, err := s.ReplayLetters(t.Context(), survey.LetterFilter{Mode: survey.Live, Sender: "bot", Code: "500"}, "key_9", long)
		must(t, err)
		if n != 1 || next != "" {
			t.Errorf("replayed %d, next %q", n, next)
		}
		n, _, err = s.ReplayLetters(t.Context(), survey.LetterFilter{Mode: survey.Live, Sender: "bot"}, "key_9", long)
		must(t, err)
		if n != 1 {
			t.Errorf("replayed %d of the class, want the one that is sure", n)
		}
		if n, next, err := s.ReplayLetters(t.Context(), survey.LetterFilter{Mode: survey.Test}, "key_9", -1); n != 0 || next != "" || err != nil {
			t.Errorf("of nothing: %d %q %v", n, next, err)
		}
		// By id: that one too, but of this mode and dead only.
		if n, refused, err := s.ReplayIDs(t.Context(), survey.Test, ids[2:3], "key_9"); n != 0 || len(refused) != 1 || err != nil {
			t.Errorf("of the other mode: %d %v %v", n, refused, err)
		}
		n, refused, err := s.ReplayIDs(t.Context(), survey.Live, []string{ids[2], ids[3], "snd_none"}, "key_9")
		must(t, err)
		diff(t, "refused", []string{ids[3], "snd_none"}, refused)
		if n != 1 {
			t.Errorf("replayed %d", n)
		}
		due, err := s.Due(t.Context(), "bot", time.Now(), 10)
		must(t, err)
		if len(due) != 4 { // the fourth is due since it was accepted
			t.Errorf("due %v", due)
		}
		events, _, err := s.Events(t.Context(), ids[2], "", 0)
		must(t, err)
		if events[0].Type != "send.replayed" || events[0].Data["actor"] != "key_9" {
			t.Errorf("ledger %+v", events[0])
		}
		counts, err := s.Counts(t.Context(), survey.Live)
		must(t, err)
		diff(t, "every send has one state", map[survey.Status]int64{survey.Scheduled: 3, survey.Accepted: 1}, counts)
	})
}

func TestLaneLoads(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		if loads, err := s.LaneLoads(t.Context()); err != nil || len(loads) != 0 {
			t.Fatalf("of nothing: %v %v", loads, err)
		}
		sends := make([]survey.Send, 10002)
		for i := range sends {
			sends[i] = newSend(i)
			sends[i].DueAt = t0.Add(time.Duration(i) * time.Second)
		}
		sends[0].Lane = "sms"
		sends[1].Survey = "csat-after-support" // another queue, whose first is the first of all
		accept(t, s, sends...)
		loads, err := s.LaneLoads(t.Context())
		must(t, err)
		diff(t, "loads", []survey.LaneState{
			{Name: "bot", Pending: 10000, More: true, OldestDue: t0.Add(time.Second)},
			{Name: "sms", Pending: 1, OldestDue: t0},
		}, loads)
	})
}
