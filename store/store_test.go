package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

var t0 = time.Date(2026, 11, 20, 14, 0, 0, 123456000, time.UTC)

// newSend is the i-th send of a shop, complete in every member.
func newSend(i int) survey.Send {
	return survey.Send{
		Mode: survey.Live, Brand: "trgovina", Survey: "nps-after-purchase", SurveyVersion: 3, Locale: "hr",
		Recipient: survey.Recipient{
			ExternalID: "c-" + strconv.Itoa(i), Name: "Ana Kovač", Email: "ana" + strconv.Itoa(i) + "@example.hr",
			Phone: fmt.Sprintf("+38591%07d", i), Locale: "hr", Timezone: "Europe/Zagreb",
		},
		Transaction: survey.Transaction{
			ID: "order-" + strconv.Itoa(i), Type: "order.delivered", Touchpoint: "delivery", OccurredAt: t0,
			Attributes: map[string]string{"store": "Zagreb-1", "employee": "e-17", "amount": "129.90"},
		},
		Consent:  &survey.Consent{Basis: "existing_customer", Source: "checkout", At: t0},
		Metadata: []byte(`{"a":1}`),
		Actor:    "key_1",
		Plan: []survey.Step{
			{Channel: survey.Viber, Sender: "bot", Success: survey.AttemptDelivered, Wait: time.Hour},
			{Channel: survey.SMS, Sender: "sms", Success: survey.AttemptAccepted},
		},
		ExpiresAt: t0.Add(7 * 24 * time.Hour),
		Status:    survey.Accepted, Kind: survey.Invitation, Lane: "bot", DueAt: t0.Add(2 * time.Hour),
	}
}

func accept(t *testing.T, s *store.Store, sends ...survey.Send) []survey.AcceptedSend {
	t.Helper()
	out, err := s.Accept(t.Context(), sends, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func diff(t *testing.T, what string, want, got any, opts ...cmp.Option) {
	t.Helper()
	if d := cmp.Diff(want, got, opts...); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		out := accept(t, s, newSend(1), newSend(2), newSend(1))
		if out[0].Duplicate || out[1].Duplicate || !out[2].Duplicate || out[2].ID != out[0].ID || out[0].ID == out[1].ID {
			t.Fatalf("accepted %+v", out)
		}
		again := accept(t, s, newSend(3), newSend(2))
		if again[0].Duplicate || !again[1].Duplicate || again[1].ID != out[1].ID {
			t.Fatalf("accepted again %+v", again)
		}
		diff(t, "duplicate carries the stored send", out[1].Send, again[1].Send)
		got, attempts, err := s.Send(ctx, out[0].ID)
		must(t, err)
		diff(t, "send", out[0].Send, got)
		want := newSend(1)
		want.ID, want.ContactID, want.CreatedAt, want.UpdatedAt = got.ID, got.ContactID, got.CreatedAt, got.UpdatedAt
		diff(t, "send as given", want, got)
		if len(attempts) != 0 || got.ContactID == "" || got.CreatedAt.IsZero() {
			t.Errorf("attempts %v, contact %q, created %v", attempts, got.ContactID, got.CreatedAt)
		}
		events, next, err := s.Events(ctx, got.ID, "", 0)
		must(t, err)
		if len(events) != 1 || next != "" || events[0].Type != "send.accepted" || events[0].Data["actor"] != "key_1" {
			t.Errorf("events %+v, next %q", events, next)
		}
		if _, _, err := s.Send(ctx, "snd_none"); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("unknown send: %v", err)
		}
	})
}

// Without a transaction nothing is a duplicate; in the other mode neither.
func TestAcceptNoDuplicate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		free := newSend(1)
		free.Transaction.ID = ""
		test := newSend(1)
		test.Mode = survey.Test
		other := newSend(1)
		other.Survey = "csat-after-support"
		for i, a := range accept(t, s, newSend(1), free, free, test, other) {
			if a.Duplicate {
				t.Errorf("send %d is a duplicate", i)
			}
		}
	})
}

func TestAcceptForeignBytes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		m := newSend(1)
		m.Recipient.Name, m.Transaction.ID, m.Recipient.Timezone = "A\x00B\xff", "o\x00", "\xfe"
		m.Transaction.Attributes = map[string]string{"k\x00\xff": "v\xff\x00"}
		out := accept(t, s, m, m)
		if !out[1].Duplicate {
			t.Error("not a duplicate")
		}
		got, _, err := s.Send(t.Context(), out[0].ID)
		must(t, err)
		if got.Recipient.Name != "A\uFFFDB\uFFFD" {
			t.Errorf("name %q", got.Recipient.Name)
		}
	})
}

func TestAcceptManyAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var sends []survey.Send
		for i := range 1000 {
			sends = append(sends, newSend(i%700))
		}
		out := accept(t, s, sends...)
		duplicates := 0
		for i, a := range out {
			if a.Duplicate {
				duplicates++
				if a.ID != out[i-700].ID {
					t.Fatalf("duplicate %d has another id", i)
				}
			}
		}
		if duplicates != 300 {
			t.Errorf("%d duplicates, want 300", duplicates)
		}
		counts, err := s.Counts(t.Context(), survey.Live)
		must(t, err)
		diff(t, "counts", map[survey.Status]int64{survey.Accepted: 700}, counts)
	})
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		idem := &survey.Idempotency{Actor: "key_1", Key: "abc", Hash: [32]byte{1, 2}, Compose: func(a []survey.AcceptedSend) (int, []byte) {
			return 202, []byte(a[0].ID)
		}}
		out, err := s.Accept(ctx, []survey.Send{newSend(1)}, idem)
		must(t, err)
		r, ok, err := s.Replay(ctx, "key_1", "abc", t0)
		must(t, err)
		if !ok || r.Status != 202 || string(r.Body) != out[0].ID || r.Hash != idem.Hash || r.At.IsZero() {
			t.Errorf("replay %+v, %t", r, ok)
		}
		for name, call := range map[string][2]string{"other actor": {"key_2", "abc"}, "other key": {"key_1", "ab"}} {
			if _, ok, err := s.Replay(ctx, call[0], call[1], t0); ok || err != nil {
				t.Errorf("%s: replay %t, %v", name, ok, err)
			}
		}
		if _, ok, _ := s.Replay(ctx, "key_1", "abc", time.Now().Add(time.Hour)); ok {
			t.Error("a record from before since is replayed")
		}
		_, err = s.Accept(ctx, []survey.Send{newSend(2)}, idem)
		if !errors.Is(err, survey.ErrIdempotencyTaken) || !errors.Is(err, survey.ErrConflict) {
			t.Errorf("taken: %v", err)
		}
		counts, err := s.Counts(ctx, survey.Live)
		must(t, err)
		if counts[survey.Accepted] != 1 {
			t.Errorf("%d sends, want 1: a refused call wrote", counts[survey.Accepted])
		}
		later := *idem
		later.Since = time.Now().Add(time.Hour)
		if _, err = s.Accept(ctx, []survey.Send{newSend(2)}, &later); err != nil {
			t.Errorf("forgotten key: %v", err)
		}
		must(t, s.Forget(ctx, time.Now().Add(time.Hour)))
		if _, ok, _ := s.Replay(ctx, "key_1", "abc", t0); ok {
			t.Error("forgotten record is replayed")
		}
	})
}

// Of many calls with one key at once, one writes, and the others do not break the transaction that they share.
func TestIdempotencyRace(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		var log bytes.Buffer // read when the store is closed
		cfg := storetest.Config(t, name)
		cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		s := storetest.OpenConfig(t, cfg)
		var wg sync.WaitGroup
		errs := make([]error, 40)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = s.Accept(t.Context(), []survey.Send{newSend(i)}, &survey.Idempotency{
					Actor: "key_1", Key: "abc", Compose: func([]survey.AcceptedSend) (int, []byte) { return 202, nil },
				})
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, survey.ErrIdempotencyTaken) {
				t.Error(err)
			}
		}
		counts, err := s.Counts(t.Context(), survey.Live)
		must(t, err)
		if won != 1 || counts[survey.Accepted] != 1 {
			t.Errorf("%d calls won, %d sends, want 1 and 1", won, counts[survey.Accepted])
		}
		must(t, s.Close())
		if log.Len() > 0 {
			t.Errorf("logged: %s", log.String())
		}
	}
}

// crash gives a copy of what is in the files of an SQLite store now, as a crash would leave it.
func crash(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"odziv.db", "odziv.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // a directory of this test
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, name), b, 0o600)) //nolint:gosec // a directory of this test
	}
	return to
}

// Law 1: what Accept answered is on disk. A copy of the files taken at once has it.
func TestLaw01DurableAccept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.OpenConfig(t, store.Config{Dir: dir})
	out := accept(t, s, newSend(1))
	copied := crash(t, dir)
	again := storetest.OpenConfig(t, store.Config{Dir: copied})
	if _, _, err := again.Send(t.Context(), out[0].ID); err != nil {
		t.Errorf("send in the copy: %v", err)
	}
}

// Contacts are written after the sends that name them: what a crash keeps from being written, Open adds.
func TestContacts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.OpenConfig(t, store.Config{Dir: dir})
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			if _, err := s.Accept(t.Context(), []survey.Send{newSend(i % 200)}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	crashed := crash(t, dir)
	again, err := store.Open(t.Context(), store.Config{Dir: crashed})
	must(t, err)
	must(t, again.Close())
	renamed := newSend(7)
	renamed.Transaction.ID, renamed.Recipient.Name, renamed.Recipient.Email = "order-x", "Ana Novak", ""
	accept(t, s, renamed)
	must(t, s.Close())
	for _, dir := range []string{dir, crashed} {
		db, err := sql.Open("sqlite", filepath.Join(dir, "odziv.db"))
		must(t, err)
		var n, bare, novak int
		must(t, db.QueryRowContext(t.Context(), `SELECT count(*), sum(email = '' OR phone = ''), sum(name = 'Ana Novak') FROM contacts`).Scan(&n, &bare, &novak))
		must(t, db.Close())
		if n != 200 || bare != 0 || (novak == 1) != (dir != crashed) {
			t.Errorf("%d contacts, %d without an address, %d renamed; want 200, 0", n, bare, novak)
		}
	}
}

// A reader may ask for anything; what cannot be there is not found.
func TestForeignIDs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		const id = "snd_\x00\xff"
		_, _, send := s.Send(ctx, id)
		_, response := s.Response(ctx, id)
		_, release := s.Release(ctx, id, 1)
		_, message := s.SandboxMessage(ctx, id)
		_, apply := s.Apply(ctx, id, func(*survey.State) error { return nil })
		for i, err := range []error{send, response, release, message, apply} {
			if !errors.Is(err, survey.ErrNotFound) {
				t.Errorf("call %d: %v", i, err)
			}
		}
		if _, _, err := s.Sends(ctx, survey.SendFilter{Transaction: id}); err != nil {
			t.Error(err)
		}
		_, _, sends := s.Sends(ctx, survey.SendFilter{Cursor: id})
		_, _, events := s.Events(ctx, accept(t, s, newSend(9))[0].ID, id, 0)
		_, _, responses := s.Responses(ctx, survey.ResponseFilter{Cursor: id})
		for _, err := range []error{sends, events, responses} {
			var invalid survey.InvalidError
			if !errors.As(err, &invalid) || invalid[0].Pointer != "/cursor" {
				t.Errorf("cursor that is none: %v", err)
			}
		}
	})
}

// When the server drops the connections, calls fail or succeed, and soon succeed again; none hangs.
func TestLostConnection(t *testing.T) {
	t.Parallel()
	if !slices.Contains(storetest.Names(t), storetest.Postgres) {
		return
	}
	cfg := storetest.Config(t, storetest.Postgres)
	name := "odziv-" + t.Name()
	u, err := url.Parse(cfg.URL)
	must(t, err)
	q := u.Query()
	q.Set("application_name", name)
	u.RawQuery = q.Encode()
	s := storetest.OpenConfig(t, store.Config{URL: u.String()})
	accept(t, s, newSend(0))
	admin, err := pgx.Connect(t.Context(), cfg.URL)
	must(t, err)
	defer func() { _ = admin.Close(context.WithoutCancel(t.Context())) }()
	ended, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1`, name)
	must(t, err)
	if ended.RowsAffected() == 0 {
		t.Fatal("no connection to end")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	accepted := 1
	for i := 1; accepted < 4 && ctx.Err() == nil; i++ {
		if _, err := s.Accept(ctx, []survey.Send{newSend(i)}, nil); err == nil {
			accepted++
		}
	}
	counts, err := s.Counts(ctx, survey.Live)
	for err != nil && ctx.Err() == nil {
		counts, err = s.Counts(ctx, survey.Live)
	}
	must(t, err)
	if counts[survey.Accepted] < int64(accepted) || accepted < 4 {
		t.Errorf("%v for %d accepted", counts, accepted)
	}
}

// A caller that no longer waits gets its context's error at once, and the writer goes on.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		id := accept(t, s, newSend(1))[0].ID
		entered, leave := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.Apply(t.Context(), id, func(*survey.State) error {
				close(entered)
				<-leave
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-entered // the writer is busy
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		wg.Go(func() {
			if _, err := s.Accept(ctx, []survey.Send{newSend(2)}, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("accept: %v", err)
			}
			close(leave)
		})
		wg.Wait()
		accept(t, s, newSend(3))
	})
}

func TestReopen(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			s, err := store.Open(t.Context(), cfg)
			must(t, err)
			out := accept(t, s, newSend(1))
			secret, err := s.Secret(t.Context(), "links")
			must(t, err)
			must(t, s.Close())
			must(t, s.Close())
			if _, err := s.Accept(t.Context(), []survey.Send{newSend(2)}, nil); !errors.Is(err, store.ErrClosed) {
				t.Errorf("accept after close: %v", err)
			}
			again := storetest.OpenConfig(t, cfg)
			if _, _, err := again.Send(t.Context(), out[0].ID); err != nil {
				t.Error(err)
			}
			same, err := again.Secret(t.Context(), "links")
			must(t, err)
			other, err := again.Secret(t.Context(), "cookies")
			must(t, err)
			if string(same) != string(secret) || string(other) == string(secret) || len(secret) != 32 {
				t.Errorf("secrets %x, %x, %x", secret, same, other)
			}
			must(t, again.Ping(t.Context()))
		})
	}
}

// Law 2: at any moment the outcomes add up to what was accepted.
func TestLaw02OneOutcome(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		statuses := survey.Statuses()
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				var sends []survey.Send
				for i := range 25 {
					sends = append(sends, newSend(g*25+i))
				}
				out, err := s.Accept(t.Context(), sends, nil)
				if err != nil {
					t.Error(err)
					return
				}
				for i, a := range out {
					_, err := s.Apply(t.Context(), a.ID, func(st *survey.State) error {
						st.Send.Status = statuses[i%len(statuses)]
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		counts, err := s.Counts(t.Context(), survey.Live)
		must(t, err)
		sum := int64(0)
		for n := range maps.Values(counts) {
			sum += n
		}
		if sum != 200 || len(counts) != len(statuses) {
			t.Errorf("sum %d of %v, want 200", sum, counts)
		}
		test, err := s.Counts(t.Context(), survey.Test)
		must(t, err)
		diff(t, "counts of test mode", map[survey.Status]int64{}, test)
	})
}

// One bad item of a merged group fails, and no other.
func TestGroupIsolation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		first := accept(t, s, newSend(1000))[0]
		var wg sync.WaitGroup
		errs := make([]error, 60)
		for i := range errs {
			wg.Go(func() {
				m := newSend(i)
				if i%20 == 7 {
					m.ID = first.ID // breaks the statement that it shares with others
				}
				_, errs[i] = s.Accept(t.Context(), []survey.Send{m}, nil)
			})
		}
		wg.Wait()
		for i, err := range errs {
			if bad := i%20 == 7; bad != (err != nil) {
				t.Errorf("call %d: %v", i, err)
			}
		}
		counts, err := s.Counts(t.Context(), survey.Live)
		must(t, err)
		if counts[survey.Accepted] != 58 {
			t.Errorf("%d sends, want 58", counts[survey.Accepted])
		}
	})
}

func TestApply(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		id := accept(t, s, newSend(1))[0].ID
		st, err := s.Apply(ctx, id, func(st *survey.State) error {
			st.Send.Status, st.Send.Reason, st.Send.Lane, st.Send.DueAt = survey.Sending, survey.ReasonTransient, "", time.Time{}
			st.Send.Recipient.ViberID = "viber-1"
			st.Attempts = append(st.Attempts, survey.Attempt{
				ID: "att_1", Kind: survey.Invitation, Step: 1, Channel: survey.SMS, Sender: "sms", Address: st.Send.Recipient.Phone,
				Status: survey.AttemptClaimed, Segments: 2, Epoch: 1, At: t0,
			})
			st.Events = append(st.Events, survey.Event{Type: "attempt.claimed", At: t0, Data: map[string]any{"attempt": "att_1"}})
			return nil
		})
		must(t, err)
		if len(st.Events) != 1 || st.Events[0].ID == "" || st.Events[0].SendID != id {
			t.Errorf("events %+v", st.Events)
		}
		got, attempts, err := s.Send(ctx, id)
		must(t, err)
		diff(t, "send", st.Send, got)
		diff(t, "attempts", st.Attempts, attempts)
		if got.Recipient.ViberID != "viber-1" || got.Status != survey.Sending || !got.UpdatedAt.After(t0) {
			t.Errorf("send %+v", got)
		}

		nine := 9
		st, err = s.Apply(ctx, id, func(st *survey.State) error {
			st.Send.Status = survey.Answered
			st.Attempts[0].Status, st.Attempts[0].ProviderID = survey.AttemptDelivered, "SM1"
			st.Send.Thread = survey.Thread{Channel: survey.SMS, Sender: "sms", Address: "+385911", Asking: survey.QuestionComment, Said: 1}
			st.Response = &survey.Response{
				Mode: st.Send.Mode, Survey: st.Send.Survey, SurveyVersion: 3, Locale: "hr", Metric: survey.NPS, Score: 9, Segment: survey.Promoter,
				Answers: []survey.Answer{{Question: survey.QuestionScore, Value: &nine, Text: "devet\x00", Channel: survey.SMS, Evidence: survey.EvidenceReply, At: t0}},
			}
			return nil
		})
		must(t, err)
		st, err = s.Apply(ctx, id, func(st *survey.State) error {
			st.Send.Status = survey.Completed
			st.Response.Complete = true
			st.Response.Answers = append(st.Response.Answers, survey.Answer{
				Question: survey.QuestionComment, Text: "brzo", Channel: survey.SMS, Evidence: survey.EvidenceReply, At: t0,
			})
			eight := 8
			st.Response.Answers[0].Value, st.Response.Score, st.Response.Segment = &eight, 8, survey.Passive
			return nil
		})
		must(t, err)
		r, err := s.Response(ctx, st.Response.ID)
		must(t, err)
		diff(t, "response", *st.Response, r)
		if len(r.Answers) != 2 || *r.Answers[0].Value != 8 || r.Answers[1].Value != nil || !r.Complete || r.Answers[0].Text != "devet\uFFFD" {
			t.Errorf("response %+v", r)
		}
		states, err := s.Load(ctx, []survey.Ref{{ID: id, Epoch: 0}})
		must(t, err)
		st.Events = nil
		diff(t, "state", []survey.State{st}, states)

		for name, find := range map[string]func() (string, error){
			"thread":      func() (string, error) { return s.SendOfThread(ctx, survey.Live, survey.SMS, "+385911") },
			"attempt":     func() (string, error) { return s.SendOfAttempt(ctx, "att_1") },
			"provider id": func() (string, error) { id, _, err := s.SendOfProviderID(ctx, "sms", "SM1"); return id, err },
		} {
			if found, err := find(); err != nil || found != id {
				t.Errorf("send of %s: %q, %v", name, found, err)
			}
		}
		for name, find := range map[string]func() (string, error){
			"thread in test": func() (string, error) { return s.SendOfThread(ctx, survey.Test, survey.SMS, "+385911") },
			"thread of mail": func() (string, error) { return s.SendOfThread(ctx, survey.Live, survey.Email, "+385911") },
			"attempt":        func() (string, error) { return s.SendOfAttempt(ctx, "att_2") },
			"other sender":   func() (string, error) { id, _, err := s.SendOfProviderID(ctx, "bot", "SM1"); return id, err },
			"no provider id": func() (string, error) { id, _, err := s.SendOfProviderID(ctx, "sms", ""); return id, err },
		} {
			if found, err := find(); !errors.Is(err, survey.ErrNotFound) {
				t.Errorf("send of %s: %q, %v", name, found, err)
			}
		}
		if at := invitedAt(t, s, survey.Live, newSend(1).Recipient.Phone); !at.Equal(t0) {
			t.Errorf("invited at %v, want %v", at, t0)
		}
	})
}

// invitedAt is when a phone was last invited by another send than the one that asks.
func invitedAt(t *testing.T, s *store.Store, mode survey.Mode, phone string) time.Time {
	t.Helper()
	asks := survey.State{Send: survey.Send{ID: "snd_asks", Mode: mode, Recipient: survey.Recipient{Phone: phone}}}
	facts, err := s.Facts(t.Context(), []survey.State{asks}, nil)
	must(t, err)
	var last time.Time
	for _, p := range facts["snd_asks"].Past {
		if p.InvitedAt.After(last) {
			last = p.InvitedAt
		}
	}
	return last
}

func TestApplyErrors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		id := accept(t, s, newSend(1))[0].ID
		mine := errors.New("mine")
		tests := []struct {
			name string
			id   string
			fn   func(*survey.State) error
			is   error
		}{
			{"unknown send", "snd_none", func(*survey.State) error { return nil }, survey.ErrNotFound},
			{"error of fn", id, func(st *survey.State) error { st.Send.Status = survey.Failed; return mine }, mine},
			{"panic", id, func(*survey.State) error { panic("boom") }, nil},
			{"other id", id, func(st *survey.State) error { st.Send.ID = "snd_x"; return nil }, nil},
		}
		for _, tt := range tests {
			if _, err := s.Apply(ctx, tt.id, tt.fn); err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		got, _, err := s.Send(ctx, id)
		must(t, err)
		if got.Status != survey.Accepted {
			t.Errorf("status %s: a refused change was written", got.Status)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.Apply(ended, id, func(*survey.State) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("ended context: %v", err)
		}
	})
}

// Calls for one send see each other's results; one that fails changes nothing.
func TestApplyLosesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			cfg.Writers = 3
			s := storetest.OpenConfig(t, cfg)
			id := accept(t, s, newSend(1))[0].ID
			var wg sync.WaitGroup
			for g := range 50 {
				wg.Go(func() {
					for range 10 {
						_, err := s.Apply(t.Context(), id, func(st *survey.State) error {
							st.Send.Tries++
							st.Attempts = append(st.Attempts, survey.Attempt{Kind: survey.Clarify, Status: survey.AttemptClaimed})
							st.Events = append(st.Events, survey.Event{Type: "test"})
							if g%5 == 0 {
								return survey.ErrConflict
							}
							return nil
						})
						if (err != nil) != (g%5 == 0) {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			got, attempts, err := s.Send(t.Context(), id)
			must(t, err)
			events, _, err := s.Events(t.Context(), id, "", 1000)
			must(t, err)
			if got.Tries != 400 || len(attempts) != 400 || len(events) != 401 {
				t.Errorf("%d tries, %d attempts, %d events; want 400, 400, 401", got.Tries, len(attempts), len(events))
			}
		})
	}
}

func TestSuppressions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		out := accept(t, s, newSend(1), newSend(2))
		phone := newSend(1).Recipient.Phone
		must(t, s.Suppress(ctx, survey.Suppression{Mode: survey.Live, Channel: survey.Email, Address: newSend(1).Recipient.Email, Reason: "manual", At: t0}))
		must(t, s.Suppress(ctx, survey.Suppression{Mode: survey.Test, Channel: survey.SMS, Address: phone, Reason: "manual", At: t0}))
		st, err := s.Apply(ctx, out[0].ID, func(st *survey.State) error {
			st.Suppressions = append(st.Suppressions, survey.Suppression{
				Channel: survey.SMS, Address: phone, Reason: "stop_keyword", Source: "sms", SendID: st.Send.ID, At: t0,
			})
			return nil
		})
		must(t, err)
		loaded, err := s.Load(ctx, []survey.Ref{{ID: out[0].ID}, {ID: out[1].ID}})
		must(t, err)
		diff(t, "suppressions", st.Suppressions, loaded[0].Suppressions)
		if len(loaded[0].Suppressions) != 2 || len(loaded[1].Suppressions) != 0 || loaded[0].Suppressions[1].Mode != survey.Live {
			t.Errorf("suppressions %+v and %+v", loaded[0].Suppressions, loaded[1].Suppressions)
		}
		items, next, err := s.Suppressions(ctx, survey.Live, "", 1)
		must(t, err)
		more, end, err := s.Suppressions(ctx, survey.Live, next, 1)
		must(t, err)
		if len(items) != 1 || next == "" || len(more) != 1 || end != "" || items[0] == more[0] {
			t.Errorf("pages %+v %q, %+v %q", items, next, more, end)
		}
		_, err = s.Apply(ctx, out[0].ID, func(st *survey.State) error {
			st.Lift = st.Suppressions[:1]
			return nil
		})
		must(t, err)
		must(t, s.Lift(ctx, survey.Lift{Mode: survey.Live, Channel: survey.SMS, Address: phone}))
		if err := s.Lift(ctx, survey.Lift{Mode: survey.Live, Channel: survey.SMS, Address: phone}); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("lift again: %v", err)
		}
		loaded, err = s.Load(ctx, []survey.Ref{{ID: out[0].ID}})
		must(t, err)
		if len(loaded[0].Suppressions) != 0 {
			t.Errorf("suppressions after lift %+v", loaded[0].Suppressions)
		}
	})
}

func TestDispatch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var sends []survey.Send
		for i, lane := range []string{"sms", "bot", "", "sms", "later"} {
			m := newSend(i)
			m.Lane, m.DueAt = lane, t0.Add(-time.Duration(i)*time.Minute)
			if lane == "later" {
				m.DueAt = t0.Add(time.Hour)
			}
			sends = append(sends, m)
		}
		out := accept(t, s, sends...)
		lanes, err := s.DueLanes(ctx, t0)
		must(t, err)
		slices.Sort(lanes)
		diff(t, "lanes", []string{"bot", "sms"}, lanes)
		due, err := s.Due(ctx, "sms", t0, 10)
		must(t, err)
		diff(t, "due", []survey.Ref{{ID: out[3].ID}, {ID: out[0].ID}}, due)

		lease := t0.Add(time.Minute)
		if wrong, err := s.Take(ctx, "bot", due, lease); err != nil || len(wrong) != 0 {
			t.Errorf("taken from another lane: %v, %v", wrong, err)
		}
		taken, err := s.Take(ctx, "sms", due, lease)
		must(t, err)
		diff(t, "taken", []survey.Ref{{ID: out[0].ID, Epoch: 1}, {ID: out[3].ID, Epoch: 1}}, taken)
		if again, err := s.Take(ctx, "sms", due, lease); err != nil || len(again) != 0 {
			t.Errorf("taken again at the old epoch: %v, %v", again, err)
		}
		if due, _ := s.Due(ctx, "sms", t0, 10); len(due) != 0 {
			t.Errorf("due during the lease: %v", due)
		}
		due, err = s.Due(ctx, "sms", lease, 10)
		must(t, err)
		if len(due) != 2 || due[0].Epoch != 1 {
			t.Errorf("due after the lease: %v", due)
		}
		states, err := s.Load(ctx, []survey.Ref{{ID: out[3].ID, Epoch: 1}, {ID: out[0].ID, Epoch: 0}, {ID: out[1].ID, Epoch: 0}, {ID: "snd_none"}})
		must(t, err)
		if len(states) != 2 || states[0].Send.ID != out[3].ID || states[1].Send.ID != out[1].ID {
			t.Errorf("loaded %+v", states)
		}
	})
}

// Of many takers of the same sends each send has one.
func TestTakeFencing(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			cfg.Writers = 2
			s := storetest.OpenConfig(t, cfg)
			var refs []survey.Ref
			for i := range 150 {
				refs = append(refs, survey.Ref{ID: accept(t, s, newSend(i))[0].ID})
			}
			var wg sync.WaitGroup
			var mu sync.Mutex
			owners := map[string]int{}
			for range 10 {
				wg.Go(func() {
					taken, err := s.Take(t.Context(), "bot", refs, t0)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					for _, r := range taken {
						owners[r.ID]++
					}
				})
			}
			wg.Wait()
			for id, n := range owners {
				if n != 1 {
					t.Errorf("%s has %d owners", id, n)
				}
			}
			if len(owners) != len(refs) {
				t.Errorf("%d of %d taken", len(owners), len(refs))
			}
		})
	}
}

// The latest conversation with an address has it; the time of the last invitation only grows.
func TestThreads(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		second := newSend(2)
		second.Recipient = newSend(1).Recipient
		out := accept(t, s, newSend(1), second)
		phone := second.Recipient.Phone
		ends := func(id string, kind survey.Kind, at time.Time, status survey.AttemptStatus) {
			t.Helper()
			_, err := s.Apply(ctx, id, func(st *survey.State) error {
				st.Attempts = append(st.Attempts, survey.Attempt{Kind: kind, Channel: survey.SMS, Address: phone, Status: survey.AttemptClaimed, At: at})
				return nil
			})
			must(t, err)
			_, err = s.Apply(ctx, id, func(st *survey.State) error {
				st.Attempts[len(st.Attempts)-1].Status = status
				return nil
			})
			must(t, err)
		}
		invite := func(id string, kind survey.Kind, at time.Time) {
			t.Helper()
			ends(id, kind, at, survey.AttemptAccepted)
		}
		check := func(send string, at time.Time) {
			t.Helper()
			id, err := s.SendOfThread(ctx, survey.Live, survey.SMS, phone)
			must(t, err)
			if last := invitedAt(t, s, survey.Live, phone); id != send || !last.Equal(at) { //nolint:contextcheck // it takes that of the test
				t.Errorf("thread of %s invited at %v, want %s at %v", id, last, send, at)
			}
		}
		invite(out[0].ID, survey.Invitation, t0)
		check(out[0].ID, t0)
		invite(out[1].ID, survey.Reminder, t0.Add(-time.Hour))
		check(out[1].ID, t0)
		invite(out[0].ID, survey.ThanksPassive, t0.Add(time.Hour))
		check(out[1].ID, t0)
		ends(out[0].ID, survey.Reminder, t0.Add(2*time.Hour), survey.AttemptFailed) // reached nobody
		check(out[0].ID, t0)
		ends(out[0].ID, survey.Reminder, t0.Add(3*time.Hour), survey.AttemptUncertain) // may have
		check(out[0].ID, t0.Add(3*time.Hour))
		if last := invitedAt(t, s, survey.Test, phone); !last.IsZero() {
			t.Errorf("last invited in test mode: %v", last)
		}
	})
}

func TestInbox(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		in := survey.Inbound{
			Mode: survey.Live, Sender: "sms", Endpoint: "inbound", URL: "https://ask.example.hr/webhooks/twilio/sms/inbound?a=%00",
			Key: "SM1", Header: map[string][]string{"X-Twilio-Signature": {"abc"}}, Body: []byte("a=\x00\xff"), At: t0,
		}
		var wg sync.WaitGroup
		fresh := make([]bool, 20)
		for i := range fresh {
			wg.Go(func() {
				m := in
				if i >= 15 {
					m.Key = "" // no key: always new
				}
				if i == 14 {
					m.Sender = "other"
				}
				var err error
				if fresh[i], err = s.PutInbound(ctx, m); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n := 0
		for _, f := range fresh[:14] {
			if f {
				n++
			}
		}
		if n != 1 || !fresh[14] || slices.Contains(fresh[15:], false) {
			t.Errorf("fresh %v", fresh)
		}
		if ids, err := s.TakeInbound(ctx, t0.Add(-time.Second), t0, 10); err != nil || len(ids) != 0 {
			t.Errorf("taken before they came: %v, %v", ids, err)
		}
		lease := t0.Add(time.Minute)
		ids, err := s.TakeInbound(ctx, t0, lease, 5)
		must(t, err)
		rest, err := s.TakeInbound(ctx, t0, lease, 100)
		must(t, err)
		if len(ids) != 5 || len(rest) != 2 || !slices.IsSorted(ids) {
			t.Errorf("taken %v and %v", ids, rest)
		}
		items, err := s.Inbound(ctx, ids)
		must(t, err)
		if len(items) != 5 {
			t.Fatalf("%d items", len(items))
		}
		want := in
		want.ID, want.Key, want.Sender, want.Tries = items[0].ID, items[0].Key, items[0].Sender, 1
		diff(t, "inbound", want, items[0])
		must(t, s.DoneInbound(ctx, ids[:2], "ok"))
		must(t, s.DoneInbound(ctx, ids[1:3], "unreadable"))
		if items, err = s.Inbound(ctx, ids); err != nil || len(items) != 2 {
			t.Errorf("unread %v, %v", items, err)
		}
		if ids, err = s.TakeInbound(ctx, lease, lease.Add(time.Minute), 100); err != nil || len(ids) != 4 {
			t.Errorf("due again %v, %v", ids, err)
		}
		if err := s.DoneInbound(ctx, ids, ""); err == nil {
			t.Error("done without a result")
		}
	})
}

func TestPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var ids []string
		for i := range 25 {
			m := newSend(i)
			if i%5 == 0 {
				m.Survey = "csat-after-support"
			}
			a := accept(t, s, m)[0]
			ids = append(ids, a.ID)
			_, err := s.Apply(ctx, a.ID, func(st *survey.State) error {
				for range 12 {
					st.Events = append(st.Events, survey.Event{Type: "test"})
				}
				if i%5 == 1 {
					st.Send.Status = survey.Sent
				}
				st.Response = &survey.Response{Mode: st.Send.Mode, Survey: st.Send.Survey, Segment: survey.Passive}
				return nil
			})
			must(t, err)
		}
		slices.Reverse(ids)
		var got []string
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			items, next, err := s.Sends(ctx, survey.SendFilter{Mode: survey.Live, Cursor: cursor, Limit: 10})
			must(t, err)
			for _, m := range items {
				got = append(got, m.ID)
			}
			cursor = next
		}
		diff(t, "ids newest first", ids, got)
		filters := []struct {
			name string
			f    survey.SendFilter
			want int
		}{
			{"mode", survey.SendFilter{Mode: survey.Test}, 0},
			{"survey", survey.SendFilter{Survey: "csat-after-support"}, 5},
			{"status", survey.SendFilter{Status: survey.Sent}, 5},
			{"transaction", survey.SendFilter{Transaction: "order-7"}, 1},
			{"contact", survey.SendFilter{Contact: survey.ContactID(survey.Live, newSend(3).Recipient)}, 1},
			{"all at once", survey.SendFilter{
				Mode: survey.Live, Survey: "nps-after-purchase", Status: survey.Sent, Transaction: "order-6",
				Contact: survey.ContactID(survey.Live, newSend(6).Recipient),
			}, 1},
		}
		for _, tt := range filters {
			if items, next, err := s.Sends(ctx, tt.f); err != nil || len(items) != tt.want || next != "" {
				t.Errorf("%s: %d sends, next %q, %v; want %d", tt.name, len(items), next, err, tt.want)
			}
		}
		events, next, err := s.Events(ctx, ids[0], "", 10)
		must(t, err)
		more, end, err := s.Events(ctx, ids[0], next, 10)
		must(t, err)
		if len(events) != 10 || len(more) != 3 || end != "" || more[2].Type != "send.accepted" || events[0].ID < more[0].ID {
			t.Errorf("events: %d, %d, %q", len(events), len(more), end)
		}
		responses, next, err := s.Responses(ctx, survey.ResponseFilter{Mode: survey.Live, Limit: 20})
		must(t, err)
		rest, end, err := s.Responses(ctx, survey.ResponseFilter{Mode: survey.Live, Limit: 20, Cursor: next})
		must(t, err)
		if len(responses) != 20 || len(rest) != 5 || end != "" || responses[0].ID < rest[0].ID {
			t.Errorf("responses: %d, %d, %q", len(responses), len(rest), end)
		}
		one, _, err := s.Responses(ctx, survey.ResponseFilter{SendID: ids[3], Segment: survey.Passive, Survey: responses[3].Survey})
		must(t, err)
		if len(one) != 1 || one[0].SendID != ids[3] {
			t.Errorf("response of a send: %+v", one)
		}
	})
}

func TestReleases(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		texts := []survey.Text{{Kind: survey.Invitation, Channel: survey.SMS, Locale: "hr", Text: "Bok"}}
		must(t, s.SeedReleases(ctx, []survey.Release{{Survey: "a", Texts: texts}, {Survey: "b", Texts: texts}}))
		draft := survey.Text{Kind: survey.Invitation, Channel: survey.SMS, Locale: "hr", Text: "Dobar dan"}
		must(t, s.SaveDraft(ctx, "a", survey.Text{Kind: survey.Invitation, Channel: survey.SMS, Locale: "hr", Text: "old"}, "usr_1"))
		must(t, s.SaveDraft(ctx, "a", draft, "usr_1"))
		must(t, s.SaveDraft(ctx, "b", draft, "usr_1"))
		drafts, err := s.Drafts(ctx, "a")
		must(t, err)
		diff(t, "drafts", []survey.Text{draft}, drafts)

		made, err := s.Publish(ctx, "a", 1, drafts, "usr_1", "note")
		must(t, err)
		got, err := s.Release(ctx, "a", 2)
		must(t, err)
		diff(t, "release", made, got)
		if drafts, err = s.Drafts(ctx, "a"); err != nil || len(drafts) != 0 {
			t.Errorf("drafts after publishing: %v, %v", drafts, err)
		}
		if _, err := s.Publish(ctx, "a", 1, texts, "usr_2", ""); !errors.Is(err, survey.ErrConflict) {
			t.Errorf("publish on an old base: %v", err)
		}
		if _, err := s.Publish(ctx, "a", 7, texts, "usr_2", ""); !errors.Is(err, survey.ErrConflict) {
			t.Errorf("publish on a base that never was: %v", err)
		}
		// A draft that says something else than what is published stays.
		newer := survey.Text{Kind: survey.Invitation, Channel: survey.SMS, Locale: "hr", Text: "Dobra večer"}
		must(t, s.SaveDraft(ctx, "a", newer, "usr_3"))
		// Rolling back is publishing the old texts.
		old, err := s.Release(ctx, "a", 1)
		must(t, err)
		_, err = s.Publish(ctx, "a", 2, old.Texts, "usr_2", "roll back")
		must(t, err)
		back, err := s.Release(ctx, "a", 3)
		must(t, err)
		diff(t, "rolled back", texts, back.Texts)
		drafts, err = s.Drafts(ctx, "a")
		must(t, err)
		diff(t, "somebody's draft", []survey.Text{newer}, drafts)

		must(t, s.SeedReleases(ctx, []survey.Release{{Survey: "a", Texts: nil}}))
		versions, err := s.CurrentVersions(ctx)
		must(t, err)
		diff(t, "versions", map[string]int{"a": 3, "b": 1}, versions)
		all, err := s.Releases(ctx, "a")
		must(t, err)
		if len(all) != 3 || all[0].Version != 3 || all[0].Texts != nil || all[0].Note != "roll back" {
			t.Errorf("releases %+v", all)
		}
		if _, err := s.Release(ctx, "a", 9); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("unknown release: %v", err)
		}
		must(t, s.DropDraft(ctx, "b", draft.Kind, draft.Channel, draft.Locale))
		if drafts, err = s.Drafts(ctx, "b"); err != nil || len(drafts) != 0 {
			t.Errorf("dropped draft: %v, %v", drafts, err)
		}
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		k := auth.Key{
			ID: "key_1", Name: "shop", Mode: survey.Test, Scopes: []string{"sends:read", "sends:write"}, Hash: auth.HashKey("a"), Hint: "a",
			Actor: "usr_1", CreatedAt: t0,
		}
		must(t, s.CreateKey(ctx, k))
		if err := s.CreateKey(ctx, k); !errors.Is(err, survey.ErrConflict) {
			t.Errorf("same key again: %v", err)
		}
		got, err := s.KeyByHash(ctx, k.Hash)
		must(t, err)
		diff(t, "key", k, got)
		if _, err := s.KeyByHash(ctx, auth.HashKey("b")); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("unknown key: %v", err)
		}
		must(t, s.TouchKey(ctx, k.ID, t0.Add(time.Hour)))
		must(t, s.RevokeKey(ctx, k.ID, t0.Add(time.Hour)))
		must(t, s.RevokeKey(ctx, k.ID, t0.Add(2*time.Hour)))
		if err := s.RevokeKey(ctx, "key_2", t0); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("revoke an unknown key: %v", err)
		}
		k.RevokedAt, k.LastUsedAt = t0.Add(time.Hour), t0.Add(time.Hour)
		keys, err := s.Keys(ctx)
		must(t, err)
		diff(t, "keys", []auth.Key{k}, keys)
	})
}

func TestUsers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		u := auth.User{ID: "usr_1", Email: "ana@example.hr", Name: "Ana", Role: "admin", PasswordHash: "x", CreatedAt: t0}
		must(t, s.CreateUser(ctx, u))
		same := u
		same.ID, same.Email = "usr_2", "ANA@example.hr"
		if err := s.CreateUser(ctx, same); !errors.Is(err, survey.ErrConflict) {
			t.Errorf("same email: %v", err)
		}
		got, err := s.UserByEmail(ctx, "Ana@Example.HR")
		must(t, err)
		diff(t, "user", u, got)
		if n, err := s.Users(ctx); n != 1 || err != nil {
			t.Errorf("%d users, %v", n, err)
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		x := auth.Session{Hash: auth.HashKey("s"), UserID: u.ID, CSRF: "c", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		must(t, s.CreateSession(ctx, x))
		found, err := s.SessionByHash(ctx, x.Hash)
		must(t, err)
		diff(t, "session", x, found)
		over := auth.Session{Hash: auth.HashKey("o"), UserID: u.ID, ExpiresAt: now.Add(-time.Hour)}
		must(t, s.CreateSession(ctx, over))
		if _, err := s.SessionByHash(ctx, over.Hash); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("session that is over: %v", err)
		}
		if err := s.CreateSession(ctx, auth.Session{UserID: "usr_9"}); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("session of nobody: %v", err)
		}
		must(t, s.DeleteSession(ctx, x.Hash))
		if _, err := s.SessionByHash(ctx, x.Hash); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("deleted session: %v", err)
		}
		must(t, s.CreateSession(ctx, x))
		must(t, s.SetPassword(ctx, u.ID, "y"))
		if _, err := s.SessionByHash(ctx, x.Hash); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("session after a new password: %v", err)
		}
		if u, err := s.User(ctx, u.ID); err != nil || u.PasswordHash != "y" {
			t.Errorf("user %+v, %v", u, err)
		}
	})
}

func TestSandbox(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var want []sandbox.Message
		for i := range 5 {
			m := sandbox.Message{
				ID: "msg_" + strconv.Itoa(i), Channel: survey.SMS, To: "+38591", Text: "Bok\x00", At: t0, Links: []string{"http://x"},
				Buttons: []survey.Button{{Text: "9", Payload: "9"}},
			}
			must(t, s.PutSandboxMessage(ctx, m))
			want = append(want, m)
		}
		must(t, s.PutSandboxMessage(ctx, sandbox.Message{ID: "msg_9", To: "ana@example.hr", At: t0}))
		must(t, s.PutSandboxMessage(ctx, want[0]))
		got, err := s.SandboxMessages(ctx, "+38591", "msg_1", 2)
		must(t, err)
		diff(t, "messages", want[2:4], got)
		m, err := s.SandboxMessage(ctx, "msg_3")
		must(t, err)
		diff(t, "message", want[3], m)
		if _, err := s.SandboxMessage(ctx, "msg_x"); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("unknown message: %v", err)
		}
		phones, err := s.SandboxPhones(ctx)
		must(t, err)
		diff(t, "phones", []string{"ana@example.hr", "+38591"}, phones)
		got, err = s.LatestSandboxMessages(ctx, "+38591", 2)
		must(t, err)
		diff(t, "latest of a phone", []sandbox.Message{want[4], want[3]}, got)
		got, err = s.LatestSandboxMessages(ctx, "", 1)
		must(t, err)
		if len(got) != 1 || got[0].To != "ana@example.hr" {
			t.Errorf("latest of all: %v", got)
		}
	})
}

func TestRedisURL(t *testing.T) {
	t.Parallel()
	if a, b := storetest.RedisURL(t), storetest.RedisURL(t); a == b {
		t.Errorf("two tests share %s", a)
	}
}

// A STOP widens what was said before: from one channel to all (law 7).
func TestLaw07StopWidensASuppression(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		out := accept(t, s, newSend(1))
		scope := func(want ...string) {
			t.Helper()
			all, _, err := s.Suppressions(ctx, survey.Live, "", 10)
			must(t, err)
			var got []string
			for _, p := range all {
				got = append(got, p.Scope)
			}
			diff(t, "scopes", want, got)
		}
		leave := func(scopes ...string) {
			t.Helper()
			_, err := s.Apply(ctx, out[0].ID, func(st *survey.State) error {
				for _, sc := range scopes {
					st.Suppressions = append(st.Suppressions, survey.Suppression{
						Mode: survey.Live, Channel: survey.SMS, Address: st.Send.Recipient.Phone, Scope: sc, Reason: "stop_keyword", At: t0,
					})
				}
				return nil
			})
			must(t, err)
		}
		leave(survey.ScopeChannel)
		scope(survey.ScopeChannel)
		leave(survey.ScopeChannel, survey.ScopeAll, survey.ScopeAll) // twice in one statement
		scope(survey.ScopeAll, survey.ScopeChannel)
		leave(survey.ScopeChannel)
		scope(survey.ScopeAll, survey.ScopeChannel)
	})
}
