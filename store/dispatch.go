package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	// From one lane to the next by the index: the number of sends does not matter.
	selectDueLanes = `
WITH RECURSIVE lanes (lane) AS (
SELECT min(lane) FROM sends WHERE lane <> ''
UNION ALL
SELECT (SELECT min(sends.lane) FROM sends WHERE sends.lane <> '' AND sends.lane > lanes.lane) FROM lanes WHERE lanes.lane IS NOT NULL)
SELECT lanes.lane FROM lanes WHERE lanes.lane IS NOT NULL
AND EXISTS (SELECT 1 FROM sends WHERE sends.lane <> '' AND sends.lane = lanes.lane AND sends.due_at <= $1)`

	selectDue = `SELECT id, epoch FROM sends WHERE lane <> '' AND lane = $1 AND due_at <= $2 ORDER BY due_at LIMIT $3`

	takeSends = `
WITH v (id, epoch, lane, lease) AS (VALUES %s)
UPDATE sends SET epoch = sends.epoch + 1, due_at = v.lease
FROM v WHERE sends.id = v.id AND sends.epoch = v.epoch AND sends.lane = v.lane
RETURNING sends.id, sends.epoch`
	takeSendsShape = "tntn"

	selectInvited = `SELECT address, mode, invited_at FROM threads WHERE address IN (%s)`
)

// DueLanes gives the lanes that have something due.
func (s *Store) DueLanes(ctx context.Context, now time.Time) ([]string, error) {
	var lanes []string
	rows, err := s.reader.query(ctx, selectDueLanes, micros(now))
	err = each(rows, err, func(row scanner) error {
		var lane string
		err := row.Scan(&lane)
		lanes = append(lanes, lane)
		return err
	})
	return lanes, err
}

// Due gives what is due in a lane, the longest due first.
func (s *Store) Due(ctx context.Context, lane string, now time.Time, limit int) ([]survey.Ref, error) {
	var refs []survey.Ref
	rows, err := s.reader.query(ctx, selectDue, lane, micros(now), int64(limit))
	err = each(rows, err, func(row scanner) error {
		var r survey.Ref
		err := row.Scan(&r.ID, &r.Epoch)
		refs = append(refs, r)
		return err
	})
	return refs, err
}

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

// Load gives the states of the sends that are still at the given epoch, in the order of refs, without a lock.
func (s *Store) Load(ctx context.Context, refs []survey.Ref) ([]survey.State, error) {
	ids := make([]string, len(refs))
	for i, r := range refs {
		ids[i] = r.ID
	}
	states, err := s.load(ctx, &s.reader, ids, "")
	if err != nil {
		return nil, err
	}
	out := make([]survey.State, 0, len(refs))
	for _, r := range refs {
		if st := states[r.ID]; st != nil && st.Send.Epoch == r.Epoch {
			out = append(out, st.State)
		}
	}
	return out, nil
}

// LastInvited tells when each address was last sent an invitation or reminder on any channel. Addresses that
// never were are absent.
func (s *Store) LastInvited(ctx context.Context, mode survey.Mode, addresses []string) (map[string]time.Time, error) {
	last := map[string]time.Time{}
	err := in(ctx, &s.reader, selectInvited, addresses, func(row scanner) error {
		var address, of string
		var at int64
		if err := row.Scan(&address, &of, &at); err != nil {
			return err
		}
		if survey.Mode(of) == mode && at != 0 && cmp.Compare(at, micros(last[address])) > 0 {
			last[address] = moment(at)
		}
		return nil
	})
	return last, err
}
