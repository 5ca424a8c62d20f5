package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	takeSends = `
WITH v (id, epoch, lane, lease) AS (VALUES %s)
UPDATE sends SET epoch = sends.epoch + 1, rev = sends.rev + 1, due_at = v.lease
FROM v WHERE sends.id = v.id AND sends.epoch = v.epoch AND sends.lane = v.lane
RETURNING sends.id, sends.epoch`
	takeSendsShape = "tntn"
)

type takeWork struct {
	lane  string
	refs  []survey.Ref
	lease int64
	out   []survey.Ref
}

// Take makes the sends that are still in the lane and at the given epoch the caller's, until lease: their epoch
// grows by one, and they are due again at lease. It gives those with their new epoch. Of two takers of one send
// one gets it.
func (s *Store) Take(ctx context.Context, lane string, refs []survey.Ref, lease time.Time) ([]survey.Ref, error) {
	if len(refs) == 0 || lane == "" {
		return nil, nil
	}
	w := &takeWork{lane: lane, refs: refs, lease: micros(lease)}
	if err := s.do(ctx, takeJob, len(refs), w); err != nil {
		return nil, err
	}
	return w.out, nil
}

func (s *Store) runTake(ctx context.Context, t *tx, jobs []*job) error {
	type row struct {
		w   *takeWork
		ref survey.Ref
	}
	wanted := map[string]row{} // the first of a group gets it
	var rows []row
	for _, j := range jobs {
		w := j.work.(*takeWork)
		w.out = nil
		for _, ref := range w.refs {
			if first, ok := wanted[ref.ID]; ok && first.ref.Epoch >= ref.Epoch {
				continue
			}
			wanted[ref.ID] = row{w, ref}
		}
	}
	for _, r := range wanted {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.ref.ID, b.ref.ID) })
	err := t.insertReturning(ctx, takeSends, takeSendsShape, len(rows), func(args []any, i int) []any {
		r := rows[i]
		return append(args, r.ref.ID, r.ref.Epoch, r.w.lane, r.w.lease)
	}, func(row scanner) error {
		var ref survey.Ref
		if err := row.Scan(&ref.ID, &ref.Epoch); err != nil {
			return err
		}
		w := wanted[ref.ID].w
		w.out = append(w.out, ref)
		return nil
	})
	if err != nil {
		return fmt.Errorf("take: %w", err)
	}
	for _, j := range jobs {
		w := j.work.(*takeWork)
		slices.SortFunc(w.out, func(a, b survey.Ref) int { return strings.Compare(a.ID, b.ID) })
	}
	return nil
}
