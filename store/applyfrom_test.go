package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// load gives the state of a send as it is now.
func load(t testing.TB, s *store.Store, id string) survey.State {
	t.Helper()
	m, _, err := s.Send(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	states, err := s.Load(context.Background(), []survey.Ref{{ID: id, Epoch: m.Epoch}})
	if err != nil || len(states) != 1 {
		t.Fatalf("load %s: %d states, %v", id, len(states), err)
	}
	return states[0]
}

// A claim, its finish and a receipt follow each other without a look at the store, and it holds the same in the end.
func TestApplyFromChain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		id := accept(t, s, newSend(1))[0].ID
		taken, err := s.Take(ctx, "bot", []survey.Ref{{ID: id}}, t0.Add(time.Minute))
		must(t, err)
		states, err := s.Load(ctx, taken)
		must(t, err)
		if states[0].Send.Rev != 1 {
			t.Errorf("revision %d after it was taken, want 1", states[0].Send.Rev)
		}
		a := survey.Attempt{ID: "att_1", Kind: survey.Invitation, Channel: survey.Viber, Sender: "bot", Address: "v1", Epoch: 1, Segments: 1}
		claimed, err := s.ApplyFrom(ctx, states[0], func(st *survey.State) error {
			return survey.Claim(st, a, t0.Add(time.Minute), survey.Decision{}, nil, t0)
		})
		must(t, err)
		finished, err := s.ApplyFrom(ctx, claimed, func(st *survey.State) error {
			return survey.Finish(st, "att_1", survey.Result{ProviderID: "p1"}, t0)
		})
		must(t, err)
		heard, err := s.ApplyFrom(ctx, finished, func(st *survey.State) error {
			return survey.Heard(st, survey.Report{AttemptID: "att_1", Status: survey.AttemptDelivered}, t0)
		})
		must(t, err)
		heard.Events = nil
		diff(t, "state", heard, load(t, s, id))
		if heard.Send.Rev != 4 || heard.Send.Status != survey.Delivered {
			t.Errorf("revision %d, status %s", heard.Send.Rev, heard.Send.Status)
		}
		events, _, err := s.Events(ctx, id, "", 50)
		must(t, err)
		var types []string
		for _, e := range events {
			types = append(types, e.Type)
		}
		diff(t, "ledger", []string{"attempt.delivered", "step.waiting", "attempt.accepted", "attempt.claimed", "send.accepted"}, types)
	})
}

// Who knows an old state is not believed: the function sees what is there.
func TestApplyFromStale(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*survey.State)
	}{
		{"status", func(st *survey.State) { st.Send.Status = survey.Cancelled }},
		{"attempt only", func(st *survey.State) {
			st.Attempts = append(st.Attempts, survey.Attempt{ID: "att_x" + st.Send.ID, Status: survey.AttemptClaimed, At: t0})
		}},
		{"response only", func(st *survey.State) {
			st.Response = &survey.Response{Mode: survey.Live, Metric: survey.NPS, CreatedAt: t0}
		}},
		{"recipient only", func(st *survey.State) { st.Send.Recipient.ViberID = "v1" }},
		{"thread only", func(st *survey.State) { st.Send.Thread.Looked = 1 }},
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for i, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				id := accept(t, s, newSend(i))[0].ID
				old := load(t, s, id)
				_, err := s.Apply(t.Context(), id, func(st *survey.State) error { tt.change(st); return nil })
				must(t, err)
				want := load(t, s, id)
				var seen survey.State
				_, err = s.ApplyFrom(t.Context(), old, func(st *survey.State) error {
					seen = *st
					st.Send.Tries++
					return nil
				})
				must(t, err)
				seen.Send.Tries, seen.Send.UpdatedAt, seen.Send.Rev = want.Send.Tries, want.Send.UpdatedAt, want.Send.Rev
				diff(t, "seen", want, seen)
				if got := load(t, s, id); got.Send.Tries != 1 || got.Send.Status != want.Send.Status {
					t.Errorf("written over: %+v", got.Send)
				}
			})
		}
	})
}

// An error of the function is judged by what is there, not by what was known.
func TestApplyFromErrors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		id := accept(t, s, newSend(1))[0].ID
		old := load(t, s, id)
		_, err := s.Take(ctx, "bot", []survey.Ref{{ID: id}}, t0)
		must(t, err)
		now, err := s.ApplyFrom(ctx, old, func(st *survey.State) error {
			if st.Send.Epoch == 0 {
				return survey.ErrConflict
			}
			return nil
		})
		if err != nil || now.Send.Epoch != 1 {
			t.Errorf("epoch %d, %v", now.Send.Epoch, err)
		}
		if _, err := s.ApplyFrom(ctx, now, func(*survey.State) error { return survey.ErrConflict }); !errors.Is(err, survey.ErrConflict) {
			t.Errorf("error of the function: %v", err)
		}
		gone := old
		gone.Send.ID = "snd_none"
		if _, err := s.ApplyFrom(ctx, gone, func(st *survey.State) error { st.Send.Tries++; return nil }); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("no such send: %v", err)
		}
		if got := load(t, s, id); got.Send.Tries != 0 {
			t.Errorf("tries %d", got.Send.Tries)
		}
	})
}

// Law 7: a STOP that comes between the load of a send and its claim wins, also when another send got it.
func TestLaw07StopBetweenLoadAndClaim(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		other := newSend(2)
		other.Recipient = newSend(1).Recipient
		for _, m := range []*survey.Send{&other} {
			m.Transaction.ID = "order-other"
		}
		out := accept(t, s, newSend(1), other)
		known := load(t, s, out[0].ID)
		_, err := s.Apply(ctx, out[1].ID, func(st *survey.State) error {
			survey.Leave(st, survey.Left{Channels: []survey.Channel{survey.Viber}, Address: st.Send.Recipient.Phone, Reason: survey.SaidStop, Source: "bot"}, t0)
			return nil
		})
		must(t, err)
		a := survey.Attempt{ID: "att_1", Kind: survey.Invitation, Channel: survey.Viber, Sender: "bot", Address: known.Send.Recipient.Phone}
		st, err := s.ApplyFrom(ctx, known, func(st *survey.State) error {
			return survey.Claim(st, a, t0.Add(time.Minute), survey.Decision{}, nil, t0)
		})
		must(t, err)
		if len(st.Attempts) != 0 || st.Send.Status != survey.Suppressed {
			t.Errorf("claimed after STOP: status %s, %d attempts", st.Send.Status, len(st.Attempts))
		}
	})
}

// Any mixture of Apply and ApplyFrom, from states old and new, at once or one after the other, loses no change.
func TestApplyFromIsApply(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			id := accept(t, s, newSend(n))[0].ID
			known := []survey.State{load(t, s, id)}
			total := 0
			for round := range rapid.IntRange(1, 4).Draw(rt, "rounds") {
				calls := rapid.SliceOfN(rapid.IntRange(-1, len(known)-1), 1, 5).Draw(rt, "from") // −1: Apply
				total += len(calls)
				known = append(known, together(t, s, id, round, known, calls)...)
			}
			st := load(t, s, id)
			if st.Send.Tries != total || len(st.Attempts) != total {
				rt.Errorf("%d tries and %d attempts after %d calls", st.Send.Tries, len(st.Attempts), total)
			}
			last := known[0]
			for _, k := range known {
				if k.Send.Rev > last.Send.Rev {
					last = k
				}
			}
			last.Events = nil
			if d := cmp.Diff(last, st); d != "" {
				rt.Errorf("the latest result is not what is stored (-want +got):\n%s", d)
			}
		})
	})
}

// together makes calls at once, each from the state of its number, and gives their results.
func together(t *testing.T, s *store.Store, id string, round int, known []survey.State, calls []int) []survey.State {
	t.Helper()
	results := make([]survey.State, len(calls))
	var wg sync.WaitGroup
	for i, from := range calls {
		fn := func(st *survey.State) error {
			st.Send.Tries++
			st.Attempts = append(st.Attempts, survey.Attempt{
				ID: fmt.Sprintf("att_%s_%d_%d", id, round, i), Kind: survey.Invitation, Status: survey.AttemptClaimed, Address: "a",
				At: t0.Add(time.Duration(len(st.Attempts)) * time.Second),
			})
			return nil
		}
		wg.Go(func() {
			var err error
			if from < 0 {
				results[i], err = s.Apply(t.Context(), id, fn)
			} else {
				results[i], err = s.ApplyFrom(t.Context(), known[from], fn)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return results
}

// Each result has a revision of its own, also within one group: a later call from an older one is seen through.
func TestRevisionsDiffer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		id := accept(t, s, newSend(1))[0].ID
		start := load(t, s, id)
		seen := map[int64]bool{}
		for round := range 5 {
			calls := make([]int, 8)
			for _, st := range together(t, s, id, round, []survey.State{start}, calls) {
				if seen[st.Send.Rev] {
					t.Errorf("revision %d twice", st.Send.Rev)
				}
				seen[st.Send.Rev] = true
			}
		}
		if st := load(t, s, id); st.Send.Rev != 40 {
			t.Errorf("revision %d after 40 changes", st.Send.Rev)
		}
	})
}
