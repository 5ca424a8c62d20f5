package store

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/odziv/odziv/survey"
)

// selectHistory reads the sends of a mode from a moment on in the order of their creation, which is that of their ids, with
// their first and last invitation and their answer.
const selectHistory = `
SELECT ` + sendColumnsOf + `,
COALESCE((SELECT min(attempts.at) FROM attempts WHERE attempts.send_id = sends.id
	AND attempts.kind IN ('invitation', 'reminder') AND attempts.status <> 'failed'), 0),
COALESCE((SELECT max(attempts.at) FROM attempts WHERE attempts.send_id = sends.id
	AND attempts.kind IN ('invitation', 'reminder') AND attempts.status <> 'failed'), 0),
COALESCE((SELECT responses.created_at FROM responses WHERE responses.send_id = sends.id), 0)
FROM sends WHERE sends.mode = $1 AND sends.created_at >= $2 ORDER BY sends.id`

// errEnough ends a reading that its reader has left.
var errEnough = errors.New("enough")

// History streams the sends of a mode that were created from since on, the oldest first, in one pass. It ends with the first
// error.
func (s *Store) History(ctx context.Context, mode survey.Mode, since time.Time) iter.Seq2[survey.PastSend, error] {
	return func(yield func(survey.PastSend, error) bool) {
		rows, err := s.reader.query(ctx, selectHistory, string(mode), micros(since))
		err = each(rows, err, func(row scanner) error {
			var first, last, answered int64
			m, err := s.scanSend(wideRow{row, []any{&first, &last, &answered}})
			if err != nil {
				return err
			}
			p := survey.PastSend{Send: m.Send, InvitedAt: moment(first), LastInvitedAt: moment(last), AnsweredAt: moment(answered)}
			if !yield(p, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(survey.PastSend{}, err)
		}
	}
}

// A wideRow has more columns than its reader scans.
type wideRow struct {
	row  scanner
	more []any
}

// Scan scans what the reader wants, and the rest.
func (w wideRow) Scan(dest ...any) error { return w.row.Scan(append(dest, w.more...)...) }
