package store

import (
	"context"
	"fmt"

	"github.com/odziv/odziv/survey"
)

// laneRows bounds what is counted in a lane.
const laneRows = 10000

const (
	countLane = `SELECT count(*) FROM (SELECT 1 AS one FROM sends WHERE lane <> '' AND lane = $1 LIMIT $2) AS counted`

	selectOldestDue = `SELECT due_at FROM sends WHERE lane <> '' AND lane = $1 AND queue = $2 ORDER BY due_at LIMIT 1`
)

// LaneLoads tells what waits in each lane that has anything: Name, Pending, More and OldestDue. It counts to laneRows and no further, so that
// a long lane costs no more than a short one.
func (s *Store) LaneLoads(ctx context.Context) ([]survey.LaneState, error) {
	queues, err := s.queuesOf(ctx, "")
	if err != nil {
		return nil, err
	}
	var loads []survey.LaneState
	for _, q := range queues {
		if n := len(loads); n == 0 || loads[n-1].Name != q.lane {
			loads = append(loads, survey.LaneState{Name: q.lane})
		}
		l := &loads[len(loads)-1]
		var due int64
		rows, err := s.reader.query(ctx, selectOldestDue, q.lane, q.queue)
		err = each(rows, err, func(row scanner) error { return row.Scan(&due) })
		if err != nil {
			return nil, fmt.Errorf("oldest due of lane %s: %w", q.lane, err)
		}
		if at := moment(due); l.OldestDue.IsZero() || due != 0 && at.Before(l.OldestDue) {
			l.OldestDue = at
		}
	}
	for i := range loads {
		l := &loads[i]
		if err := s.reader.row(ctx, countLane, []any{l.Name, int64(laneRows + 1)}, &l.Pending); err != nil {
			return nil, fmt.Errorf("count lane %s: %w", l.Name, err)
		}
		if l.Pending > laneRows {
			l.Pending, l.More = laneRows, true
		}
	}
	return loads, nil
}
