package store_test

import (
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// inOneGroup makes changes in one group of the writer, in that order, and gives their errors.
func inOneGroup(t *testing.T, s *store.Store, changes ...func() error) []error {
	t.Helper()
	release := s.Hold(t.Context())
	errs := make([]error, len(changes))
	var running sync.WaitGroup
	for i, change := range changes {
		running.Go(func() { errs[i] = change() })
		for s.Waiting() <= i {
			runtime.Gosched()
		}
	}
	release()
	running.Wait()
	return errs
}

// A statement whose answer nobody waits for fails its own change, and no other one of the group.
func TestFaultOfALateAnswerIsOfItsOwnChange(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		const text = `INSERT INTO settings (name, value, at) VALUES ($1, $2, CASE WHEN $3 = 0 THEN NULL ELSE $3 END)`
		note := func(name string, at int64) func() error {
			return func() error { return s.Later(ctx, text, name, []byte(name), at) }
		}
		key := func() error { return s.CreateKey(ctx, auth.Key{ID: "key_x"}) }
		errs := inOneGroup(t, s, note("good", 1), note("bad", 0), note("behind", 1), key)
		for i, name := range []string{"good", "bad", "behind"} {
			there, err := s.Noted(ctx, name)
			must(t, err)
			if bad := name == "bad"; (errs[i] != nil) != bad || there == bad {
				t.Errorf("%s: told %v, there %t", name, errs[i], there)
			}
		}
		if keys, err := s.Keys(ctx); errs[3] != nil || err != nil || len(keys) != 1 {
			t.Errorf("key: told %v; there %v, %v", errs[3], keys, err)
		}
	})
}

// Suppressions go in one order everywhere: two gateways never wait for each other in a circle.
func TestSuppressionsGoInOneOrder(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	s := storetest.OpenConfig(t, store.Config{URL: url})
	ctx := t.Context()
	var all []survey.Suppression
	for _, address := range []string{"+3859130", "+3859110", "+3859140", "+3859120"} {
		all = append(all, survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: address, Reason: "manual", At: t0})
	}
	must(t, s.SuppressAll(ctx, all))
	conn, err := pgx.Connect(ctx, url)
	must(t, err)
	defer func() { must(t, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT address FROM suppressions ORDER BY ctid`)
	must(t, err)
	written, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	if len(written) != len(all) || !slices.IsSorted(written) {
		t.Errorf("written in the order %v", written)
	}
}
