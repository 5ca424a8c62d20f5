package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odziv/odziv/survey"
)

// Walk sets how many ids one call of a list looks at.
func (s *Store) Walk(most int) { s.walkMost = most }

// A Debt is the mark of a writer that is behind with contacts.
type Debt = debt

// Debts lists what writers owe.
func (s *Store) Debts(ctx context.Context) ([]Debt, error) { return s.debts(ctx) }

// Forgive takes away the marks that nobody moved since.
func (s *Store) Forgive(ctx context.Context, debts []Debt) error { return s.forgive(ctx, debts) }

// LostCommit gives what a caller is told when the connection breaks before the commit, or with it.
func LostCommit(ctx context.Context, with bool) error {
	w := &writer{store: &Store{log: slog.New(slog.DiscardHandler)}, tx: &tx{link: brokenLink{}}}
	j := &job{kind: otherJob, work: func(context.Context, *tx) error { return nil }}
	if !with {
		j.kind, j.work = acceptJob, &acceptWork{idem: &survey.Idempotency{Key: "k"}}
	}
	_, err := w.commit(ctx, []*job{j})
	return err
}

// A brokenLink takes what needs no answer, and breaks with what does.
type brokenLink struct{ link }

func (brokenLink) later(context.Context, shaped, string, []any) error { return nil }

func (brokenLink) waits() bool { return false }

func (brokenLink) each(context.Context, shaped, string, []any, func(scanner) error) error {
	return io.ErrUnexpectedEOF
}

func (brokenLink) commit(context.Context) error { return io.ErrUnexpectedEOF }

func (brokenLink) rollback(context.Context) error { return io.ErrUnexpectedEOF }

func (brokenLink) close() {}

// LoseCommit lets the next commit happen, and loses its answer with the connection.
func (s *Store) LoseCommit(ctx context.Context) error {
	return s.other(ctx, func(_ context.Context, t *tx) error {
		t.link = &lossyLink{link: t.link}
		return nil
	})
}

// A lossyLink breaks with the answer to a commit.
type lossyLink struct {
	link
	commits int // until now: the first is that of whoever put it in
}

func (l *lossyLink) commit(ctx context.Context) error {
	err := l.link.commit(ctx)
	if l.commits++; err == nil && l.commits > 1 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (l *lossyLink) rollback(ctx context.Context) error {
	_ = l.link.rollback(ctx)
	return io.ErrUnexpectedEOF
}

// NeverContacts keeps contacts from ever being written by this store, as a crash does.
func (s *Store) NeverContacts(ctx context.Context) error {
	return s.other(ctx, func(_ context.Context, t *tx) error {
		t.link = contactlessLink{t.link}
		return nil
	})
}

type contactlessLink struct{ link }

func (l contactlessLink) later(ctx context.Context, key shaped, shape string, args []any) error {
	if key.text == insertContacts {
		return errors.New("no contacts")
	}
	return l.link.later(ctx, key, shape, args)
}

// OwesContacts reports whether a writer is behind with contacts.
func (s *Store) OwesContacts(ctx context.Context) (bool, error) {
	_, owed, err := s.owedContacts(ctx)
	return owed, err
}

// Hold keeps the writer busy until release is called.
func (s *Store) Hold(ctx context.Context) (release func()) {
	held, over := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.other(ctx, func(context.Context, *tx) error {
			close(held)
			<-over
			return nil
		})
	}()
	<-held
	return func() { close(over) }
}

// Later runs a statement of a change of its own, and does not wait for its answer.
func (s *Store) Later(ctx context.Context, text string, args ...any) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error { return t.later(ctx, text, args...) })
}

// Noted reports whether there is a setting.
func (s *Store) Noted(ctx context.Context, name string) (bool, error) {
	err := s.reader.row(ctx, selectSetting, []any{name}, new([]byte))
	if errors.Is(err, survey.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// AwaitSearches waits for what is looked for in the inbox.
func (s *Store) AwaitSearches() { s.searches.Wait() }

// Waiting is how many jobs wait for the writer.
func (s *Store) Waiting() int { return len(s.queue) }

// Counted learns how many rows there are now. SQLite never does.
func (s *Store) Counted(ctx context.Context) error {
	if !s.dialect.postgres {
		return nil
	}
	_, err := s.db.ExecContext(ctx, "ANALYZE sends, attempts, contacts, identities, threads, suppressions, inbox, idempotency")
	return err
}

// HotPlans gives how the database does what is done for every message or in groups of them, by name: on PostgreSQL the plans that are kept,
// made without any values.
func (s *Store) HotPlans(ctx context.Context) (map[string]string, error) {
	ids, plans := strings.Repeat("t", 128), map[string]string{}
	for name, q := range map[string]struct{ text, shape, args string }{
		"lanes":        {text: selectDueLanes, args: "n"},
		"queues":       {text: selectDueQueues, args: "nt"},
		"due":          {text: selectDue, args: "ttnnn"},
		"take":         {text: takeSends, shape: takeSendsShape},
		"claim":        {text: expand(guarded(updateSendInPlace), "t", 2, s.dialect.postgres), args: "tnnntnntntt"},
		"finish":       {text: expand(guarded(updateSendDue), "t", 2, s.dialect.postgres), args: "tttnnnntnntntt"},
		"walk":         {text: `SELECT id FROM sends WHERE id <> '' AND id < $1 ORDER BY id DESC LIMIT $2 OFFSET $3`, args: "tnn"},
		"owed":         {text: expand(selectSendsOfContacts, "t", 2, s.dialect.postgres), args: "ttt"},
		"cancel":       {text: cancelPending, shape: cancelPendingShape},
		"sends":        {text: selectSends, args: ids},
		"attempts":     {text: selectAttempts, args: ids},
		"suppressions": {text: selectSuppressed, args: ids},
		"threads":      {text: selectThreads, args: ids},
		"known":        {text: selectKnown, args: ids},
		"met":          {text: selectMet, args: ids},
		"backlog":      {text: selectFrom, args: "tn"},
		"unread":       {text: selectInboxDue, args: "n"},
		"earlier":      {text: selectEarlier, args: "nttt"},
		"inbox":        {text: selectInbox, args: ids},
		"done":         {text: doneInbox, shape: doneInboxShape},
		"merge":        {text: mergeContact, args: "tt"},
		"merged":       {text: moveMerged, args: "tt"},
		"forget":       {text: forgetIdempotency, args: "n"},
	} {
		text, args := q.text, q.args
		if q.shape != "" {
			text, args = expand(text, q.shape, 128, s.dialect.postgres), strings.Repeat(q.shape, 128)
		} else if strings.Contains(text, "%s") {
			text = expand(text, "t", len(args), s.dialect.postgres)
		}
		plan, err := s.plan(ctx, text, args)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		plans[name] = plan
	}
	return plans, nil
}

// plan explains a statement. args has a letter for each of its values, n for a number.
func (s *Store) plan(ctx context.Context, text, args string) (plan string, err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	values, written := make([]any, len(args)), make([]string, len(args))
	for i, a := range args {
		values[i], written[i] = "x", "'x'"
		if a == 'n' {
			values[i], written[i] = 1, "1"
		}
	}
	explain := "EXPLAIN QUERY PLAN " + text //nolint:gosec // our own statement
	if s.dialect.postgres {
		for _, do := range []string{"DEALLOCATE ALL", "PREPARE hot AS " + text} {
			if _, err := conn.ExecContext(ctx, do, pgx.QueryExecModeSimpleProtocol); err != nil {
				return "", err
			}
		}
		explain, values = "EXPLAIN EXECUTE hot ("+strings.Join(written, ", ")+")", []any{pgx.QueryExecModeSimpleProtocol}
	}
	rows, err := conn.QueryContext(ctx, explain, values...)
	err = each(rows, err, func(row scanner) error {
		var line string
		var id, parent, unused int
		dest := []any{&id, &parent, &unused, &line}
		if s.dialect.postgres {
			dest = dest[3:]
		}
		err := row.Scan(dest...)
		plan += line + "\n"
		return err
	})
	return plan, err
}

// HistoriesOf counts the rows of an address or contact that tell what was asked there.
func (s *Store) HistoriesOf(ctx context.Context, address string) (n int, err error) {
	err = s.reader.row(ctx, `SELECT count(*) FROM threads WHERE address = $1 AND history <> ''`, []any{address}, &n)
	return n, err
}

// Gathered gives how many jobs come into one group, after which time, and what the writer will remember of it, when its last group had some,
// the first one of this is there, and the others come after so long each. ended closes the queue behind them.
func Gathered(last int, linger time.Duration, ended bool, after ...time.Duration) (jobs int, took time.Duration, remembered int) {
	w := &writer{store: &Store{queue: make(chan *job, queueLength), dialect: dialect{linger: linger}}, last: last}
	var coming sync.WaitGroup
	defer coming.Wait()
	coming.Go(func() {
		for _, d := range after {
			<-time.After(d)
			w.store.queue <- &job{rows: 1}
		}
		if ended {
			close(w.store.queue)
		}
	})
	start := time.Now()
	jobs = len(w.gather(&job{rows: 1}))
	return jobs, time.Since(start), w.last
}
