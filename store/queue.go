package store

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	// From one queue to the next by the index: the number of sends does not matter. ORDER BY … LIMIT 1 and nothing else, because for min()
	// and EXISTS PostgreSQL may read all that is in a lane, which it believes to be little.
	queuesOfLanes = `
WITH RECURSIVE lanes (lane) AS (
SELECT (SELECT sends.lane FROM sends WHERE sends.lane <> '' ORDER BY sends.lane LIMIT 1)
UNION ALL
SELECT (SELECT sends.lane FROM sends WHERE sends.lane <> '' AND sends.lane > lanes.lane ORDER BY sends.lane LIMIT 1)
FROM lanes WHERE lanes.lane IS NOT NULL),
queues (lane, queue) AS (
SELECT lanes.lane, (SELECT sends.queue FROM sends WHERE sends.lane <> '' AND sends.lane = lanes.lane ORDER BY sends.queue LIMIT 1)
FROM lanes WHERE lanes.lane IS NOT NULL
UNION ALL
SELECT queues.lane, (SELECT sends.queue FROM sends WHERE sends.lane <> '' AND sends.lane = queues.lane AND sends.queue > queues.queue
ORDER BY sends.queue LIMIT 1)
FROM queues WHERE queues.queue IS NOT NULL)`

	isDue = ` WHERE queues.queue IS NOT NULL
AND (SELECT sends.due_at FROM sends WHERE sends.lane <> '' AND sends.lane = queues.lane AND sends.queue = queues.queue
ORDER BY sends.due_at LIMIT 1) <= $1`

	selectDueLanes = queuesOfLanes + ` SELECT DISTINCT queues.lane FROM queues` + isDue

	selectDueQueues = `
WITH RECURSIVE queues (lane, queue) AS (
SELECT $2, (SELECT sends.queue FROM sends WHERE sends.lane <> '' AND sends.lane = $2 ORDER BY sends.queue LIMIT 1)
UNION ALL
SELECT $2, (SELECT sends.queue FROM sends WHERE sends.lane <> '' AND sends.lane = $2 AND sends.queue > queues.queue ORDER BY sends.queue LIMIT 1)
FROM queues WHERE queues.queue IS NOT NULL)
SELECT queues.queue FROM queues` + isDue + ` ORDER BY queues.queue`

	selectDue = `SELECT id, epoch FROM sends WHERE lane <> '' AND lane = $1 AND queue = $2 AND due_at <= $3 ORDER BY due_at LIMIT $4 OFFSET $5`
)

// queueOf names the queue of a send in its lane. Its first letter is its class: what is of a lower one goes first.
// Within a class the surveys take turns.
func queueOf(m *survey.Send) string {
	switch {
	case m.Kind != survey.Invitation && m.Kind != survey.Reminder:
		return "0" // a person waits for it
	case m.Priority == survey.Single:
		return "1 " + m.Survey
	default:
		return strconv.Itoa(1+int(m.Priority)) + " " + m.Survey
	}
}

// DueLanes gives the lanes that have something due.
func (s *Store) DueLanes(ctx context.Context, now time.Time) ([]string, error) {
	return s.column(ctx, selectDueLanes, micros(now))
}

// column reads the only column of a query.
func (s *Store) column(ctx context.Context, text string, args ...any) ([]string, error) {
	var values []string
	rows, err := s.reader.query(ctx, text, args...)
	err = each(rows, err, func(row scanner) error {
		var v string
		err := row.Scan(&v)
		values = append(values, v)
		return err
	})
	return values, err
}

// Due gives what is due in a lane, in the order in which it should go: messages of running conversations, single
// sends, batches. Surveys of one class take turns, with equal shares of what is given; each gives its longest due first.
func (s *Store) Due(ctx context.Context, lane string, now time.Time, limit int) ([]survey.Ref, error) {
	queues, err := s.column(ctx, selectDueQueues, micros(now), lane)
	if err != nil {
		return nil, err
	}
	var refs []survey.Ref
	for len(queues) > 0 && len(refs) < limit {
		n := 1
		for n < len(queues) && queues[n][0] == queues[0][0] {
			n++
		}
		class, err := s.share(ctx, lane, queues[:n], now, limit-len(refs))
		if err != nil {
			return nil, err
		}
		refs, queues = append(refs, class...), queues[n:]
	}
	return refs, nil
}

// share takes what is due in the queues of one class, from each as much as from the others as long as it has any.
func (s *Store) share(ctx context.Context, lane string, queues []string, now time.Time, limit int) ([]survey.Ref, error) {
	// Who is first changes: a caller that can use one of them only must not meet the same survey each time.
	first := rand.N(len(queues)) //nolint:gosec // turns are no secret
	queues = slices.Concat(queues[first:], queues[:first])
	got := make([][]survey.Ref, len(queues))
	open := make([]int, len(queues)) // queues that may have more
	for i := range open {
		open[i] = i
	}
	for left := limit; left > 0 && len(open) > 0; {
		each := (left + len(open) - 1) / len(open)
		still := open[:0]
		for _, i := range open {
			if left <= 0 {
				break
			}
			more, err := s.dueOf(ctx, lane, queues[i], now, each, len(got[i]))
			if err != nil {
				return nil, err
			}
			got[i] = append(got[i], more...)
			left -= len(more)
			if len(more) == each {
				still = append(still, i)
			}
		}
		open = still
	}
	return alternate(got, limit), nil
}

func (s *Store) dueOf(ctx context.Context, lane, queue string, now time.Time, limit, offset int) ([]survey.Ref, error) {
	var refs []survey.Ref
	rows, err := s.reader.query(ctx, selectDue, lane, queue, micros(now), int64(limit), int64(offset))
	err = each(rows, err, func(row scanner) error {
		var r survey.Ref
		err := row.Scan(&r.ID, &r.Epoch)
		refs = append(refs, r)
		return err
	})
	return refs, err
}

// alternate takes one of each list in turn, limit in all.
func alternate(lists [][]survey.Ref, limit int) []survey.Ref {
	if len(lists) == 1 {
		return lists[0]
	}
	var out []survey.Ref
	for i := 0; ; i++ {
		found := false
		for _, list := range lists {
			if i < len(list) && len(out) < limit {
				out, found = append(out, list[i]), true
			}
		}
		if !found {
			return out
		}
	}
}
