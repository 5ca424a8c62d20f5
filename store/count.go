package store

import (
	"context"
	"time"

	"github.com/odziv/odziv/survey"
)

const countSends = `SELECT status, count(*) FROM sends WHERE mode = $1 GROUP BY status`

// Counts tells how many sends of a mode are in each state; states without any are absent.
func (s *Store) Counts(ctx context.Context, mode survey.Mode) (map[survey.Status]int64, error) {
	counts := map[survey.Status]int64{}
	rows, err := s.reader.query(ctx, countSends, string(mode))
	err = each(rows, err, func(row scanner) error {
		var status string
		var n int64
		err := row.Scan(&status, &n)
		counts[survey.Status(status)] = n
		return err
	})
	return counts, err
}

const (
	forgetIdempotency = `DELETE FROM idempotency WHERE at < $1`
	forgetSessions    = `DELETE FROM sessions WHERE expires_at < $1`
)

// Forget removes idempotency records made before a time, and sessions that ended before it.
func (s *Store) Forget(ctx context.Context, before time.Time) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, forgetIdempotency, micros(before)); err != nil {
			return err
		}
		_, err := t.exec(ctx, forgetSessions, micros(before))
		return err
	})
}
