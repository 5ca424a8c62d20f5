package store

import (
	"context"
	"strings"

	"github.com/odziv/odziv/survey"
)

// Widen is widen, for tests.
func (s *Store) Widen(ctx context.Context, states []survey.State) (map[string][]string, error) {
	return s.widen(ctx, states)
}

// OwesContacts is owesContacts, for tests.
func (s *Store) OwesContacts(ctx context.Context) (bool, error) { return s.owesContacts(ctx) }

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

// AwaitSearches waits for what is looked for in the inbox.
func (s *Store) AwaitSearches() { s.searches.Wait() }

// Waiting is how many jobs wait for the writer.
func (s *Store) Waiting() int { return len(s.queue) }

// Counted learns how many rows there are now. SQLite never does.
func (s *Store) Counted(ctx context.Context) error {
	if !s.dialect.postgres {
		return nil
	}
	_, err := s.db.ExecContext(ctx, "ANALYZE")
	return err
}

// HotPlans gives how the database does what is done for every message, by name.
func (s *Store) HotPlans(ctx context.Context) (map[string]string, error) {
	explain := "EXPLAIN QUERY PLAN "
	if s.dialect.postgres {
		explain = "EXPLAIN "
	}
	ids := make([]any, 128)
	for i := range ids {
		ids[i] = "x"
	}
	plans := map[string]string{}
	for name, q := range map[string]struct {
		text string
		args []any
	}{
		"lanes":        {selectDueLanes, []any{1}},
		"queues":       {selectDueQueues, []any{1, "sms"}},
		"due":          {selectDue, []any{"sms", "1 nps", 1, 500, 0}},
		"sends":        {selectSends, ids},
		"attempts":     {selectAttempts, ids},
		"suppressions": {selectSuppressed, ids},
		"threads":      {selectThreads, ids},
		"known":        {selectKnown, ids},
		"met":          {selectMet, ids},
		"inbox":        {selectInboxDue, []any{1}},
		"earlier":      {selectEarlier, []any{1, "sms", "in", "in_"}},
		"backlog":      {selectFrom, []any{"snd_", 64}},
	} {
		text := q.text
		if strings.Contains(text, "%s") {
			text = expand(text, "t", len(q.args), s.dialect.postgres)
		}
		rows, err := s.db.QueryContext(ctx, explain+text, q.args...)
		err = each(rows, err, func(row scanner) error {
			var line string
			if s.dialect.postgres {
				err := row.Scan(&line)
				plans[name] += line + "\n"
				return err
			}
			var id, parent, unused int
			err := row.Scan(&id, &parent, &unused, &line)
			plans[name] += line + "\n"
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return plans, nil
}
