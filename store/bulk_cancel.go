package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/odziv/odziv/survey"
)

const (
	// cancelChunk is how many sends one transaction of a bulk cancel ends: other callers wait for one of them at most.
	cancelChunk = 1000
	// cancelPass is how many sends are looked up before they are cancelled.
	cancelPass = 50000
	// cancelAtOnce bounds the sends with attempts that are cancelled one by one at the same time.
	cancelAtOnce = 64
)

const (
	// pendingStatus leaves out who has answered: a conversation is not cancelled.
	pendingStatus = `status IN ('accepted', 'scheduled', 'sending', 'sent', 'delivered')`

	// One queue at a time, by the index of what is due.
	ofQueue = ` FROM sends WHERE lane <> '' AND lane = $1 AND queue = $2 AND ` + pendingStatus

	selectPending = `SELECT id, attempts, due_at, doc` + ofQueue

	countPending = `SELECT count(*)` + ofQueue

	selectPendingIDs = `
SELECT id, attempts, due_at, doc, mode, survey, created_at FROM sends WHERE id IN (%s) AND length(lane) > 0 AND ` + pendingStatus

	// cancelPending does to a send without an attempt what survey.Cancel does, and nothing to one that changed
	// meanwhile. Whoever holds it loses it by the new epoch. length() hides the index of what is due from PostgreSQL, which would read all of a
	// lane that it believes to be empty.
	cancelPending = `
WITH v (id, at) AS (VALUES %s)
UPDATE sends SET status = 'cancelled', reason = 'cancelled', lane = '', tries = 0, epoch = epoch + 1, rev = rev + 1, updated_at = v.at
FROM v WHERE sends.id = v.id AND length(sends.lane) > 0 AND attempts = 0 AND status IN ('accepted', 'scheduled', 'sending')
RETURNING sends.id`
	cancelPendingShape = "tn"

	selectQueues = queuesOfLanes + ` SELECT queues.lane, queues.queue FROM queues WHERE queues.queue IS NOT NULL ORDER BY queues.lane, queues.queue`
)

// A laneQueue is a queue of a lane.
type laneQueue struct{ lane, queue string }

// A pending is a send that a bulk cancel has found.
type pending struct {
	id    string
	tried bool // has attempts: survey.Cancel looks at them
	due   int64
}

// CancelMany cancels the pending sends that f selects, each with its row in the ledger, in many small transactions. After
// budget it stops: n are cancelled then, and more says that some may be left. A send that was answered or got its
// outcome meanwhile is left alone.
func (s *Store) CancelMany(ctx context.Context, f survey.CancelFilter, actor string, budget time.Duration) (n int64, more bool, err error) {
	over := time.Now().Add(budget)
	if len(f.IDs) > 0 {
		found, err := s.pendingIDs(ctx, f)
		if err != nil {
			return 0, false, err
		}
		return s.cancelFound(ctx, found, actor, over)
	}
	queues, err := s.queuesOf(ctx, f.Survey)
	if err != nil {
		return 0, false, err
	}
	for _, q := range queues {
		done, left, err := s.cancelQueue(ctx, f, q, actor, over)
		n += done
		if err != nil || left {
			return n, true, err
		}
	}
	return n, false, nil
}

// cancelQueue is CancelMany for one queue.
func (s *Store) cancelQueue(ctx context.Context, f survey.CancelFilter, q laneQueue, actor string, over time.Time) (n int64, more bool, err error) {
	for from := int64(0); ; {
		found, last, full, err := s.pendingOf(ctx, f, q, from)
		if err != nil {
			return n, true, err
		}
		done, left, err := s.cancelFound(ctx, found, actor, over)
		n += done
		if err != nil || left {
			return n, true, err
		}
		if !full {
			return n, false, nil
		}
		if done == 0 && last == from { // all of one moment, and others are busy with them
			return n, true, nil
		}
		from = last // those of that moment that are left are found again
	}
}

// CountPending tells how many sends CancelMany would cancel now.
func (s *Store) CountPending(ctx context.Context, f survey.CancelFilter) (n int64, err error) {
	if len(f.IDs) > 0 {
		found, err := s.pendingIDs(ctx, f)
		return int64(len(found)), err
	}
	queues, err := s.queuesOf(ctx, f.Survey)
	if err != nil {
		return 0, err
	}
	for _, q := range queues {
		w := pendingWhere(f, q)
		if f.TransactionType == "" && f.Touchpoint == "" {
			var inQueue int64
			if err := s.reader.row(ctx, countPending+w.text.String(), w.args, &inQueue); err != nil {
				return n, fmt.Errorf("count pending: %w", err)
			}
			n += inQueue
			continue
		}
		rows, err := s.reader.query(ctx, selectPending+w.text.String(), w.args...)
		err = each(rows, err, func(row scanner) error {
			_, match, err := scanPending(row, f)
			if match {
				n++
			}
			return err
		})
		if err != nil {
			return n, fmt.Errorf("count pending: %w", err)
		}
	}
	return n, nil
}

// queuesOf lists the queues that have anything, due now or later, which may be of a survey; "" is any.
func (s *Store) queuesOf(ctx context.Context, of string) (queues []laneQueue, err error) {
	rows, err := s.reader.query(ctx, selectQueues)
	err = each(rows, err, func(row scanner) error {
		var q laneQueue
		if err := row.Scan(&q.lane, &q.queue); err != nil {
			return err
		}
		if _, sv, ok := strings.Cut(q.queue, " "); !ok || of == "" || sv == of {
			queues = append(queues, q)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	return queues, nil
}

// pendingWhere are the conditions of f beside those of selectPending. What is in the doc is looked for roughly: the
// rest is scanPending's.
func pendingWhere(f survey.CancelFilter, q laneQueue) *where {
	w := &where{args: []any{q.lane, q.queue}}
	w.add("mode = %s", string(f.Mode))
	w.add("survey = %s", f.Survey)
	if !f.CreatedBefore.IsZero() {
		w.args = append(w.args, micros(f.CreatedBefore))
		w.text.WriteString(" AND created_at < $" + strconv.Itoa(len(w.args)))
	}
	w.add(`doc LIKE %s ESCAPE '\'`, member("type", f.TransactionType))
	w.add(`doc LIKE %s ESCAPE '\'`, member("touchpoint", f.Touchpoint))
	return w
}

// member is a pattern of a doc that has such a member somewhere; "" for no value.
func member(name, value string) string {
	if value == "" {
		return ""
	}
	text := appendQuoted(append(appendQuoted(nil, name), ':'), value)
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(string(text)) + "%"
}

// pendingOf finds what is pending in a queue, due at from or later, the earliest first. full says that there may be
// more, due at last or later.
func (s *Store) pendingOf(ctx context.Context, f survey.CancelFilter, q laneQueue, from int64) (found []pending, last int64, full bool, err error) {
	w := pendingWhere(f, q)
	w.args = append(w.args, from)
	w.text.WriteString(" AND due_at >= $" + strconv.Itoa(len(w.args)) + " ORDER BY due_at")
	seen := 0
	rows, err := s.reader.query(ctx, selectPending+w.text.String()+w.limit(cancelPass), w.args...)
	err = each(rows, err, func(row scanner) error {
		p, match, err := scanPending(row, f)
		if match {
			found = append(found, p)
		}
		seen, last = seen+1, p.due
		return err
	})
	if err != nil {
		return nil, 0, false, fmt.Errorf("find pending: %w", err)
	}
	return found, last, seen == cancelPass, nil
}

// scanPending reads a row and looks into its doc when f asks for what is there.
func scanPending(row scanner, f survey.CancelFilter, more ...any) (p pending, match bool, err error) {
	var attempts int
	var text string
	if err := row.Scan(append([]any{&p.id, &attempts, &p.due, &text}, more...)...); err != nil {
		return p, false, err
	}
	p.tried = attempts > 0
	if f.TransactionType == "" && f.Touchpoint == "" {
		return p, true, nil
	}
	var d struct {
		Transaction struct {
			Type       string `json:"type"`
			Touchpoint string `json:"touchpoint"`
		} `json:"t"`
	}
	if err := json.Unmarshal([]byte(text), &d, jsontext.AllowDuplicateNames(true)); err != nil {
		return p, false, fmt.Errorf("decode send %s: %w", p.id, err)
	}
	return p, (f.TransactionType == "" || f.TransactionType == d.Transaction.Type) &&
		(f.Touchpoint == "" || f.Touchpoint == d.Transaction.Touchpoint), nil
}

// pendingIDs finds those of f.IDs that are pending and match.
func (s *Store) pendingIDs(ctx context.Context, f survey.CancelFilter) (found []pending, err error) {
	ids := slices.Clone(f.IDs)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	there := map[string]bool{} // a list that was filled up names an id twice
	err = in(ctx, &s.reader, selectPendingIDs, ids, func(row scanner) error {
		var mode, of string
		var created int64
		p, match, err := scanPending(row, f, &mode, &of, &created)
		if err != nil {
			return err
		}
		match = match && mode == string(f.Mode) && (f.Survey == "" || of == f.Survey) &&
			(f.CreatedBefore.IsZero() || created < micros(f.CreatedBefore))
		if match && !there[p.id] {
			there[p.id] = true
			found = append(found, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find pending: %w", err)
	}
	return found, nil
}

// cancelFound cancels what was found until it is over.
func (s *Store) cancelFound(ctx context.Context, found []pending, actor string, over time.Time) (n int64, more bool, err error) {
	var plain, tried []string
	for _, p := range found {
		if p.tried {
			tried = append(tried, p.id)
		} else {
			plain = append(plain, p.id)
		}
	}
	for chunk := range slices.Chunk(plain, cancelChunk) {
		if time.Now().After(over) {
			return n, true, nil
		}
		done, err := s.cancelPlain(ctx, chunk, actor)
		n += done
		if err != nil {
			return n, true, err
		}
	}
	for chunk := range slices.Chunk(tried, cancelAtOnce) {
		if time.Now().After(over) {
			return n, true, nil
		}
		now := s.now()
		done, err := s.applyAll(ctx, chunk, func(st *survey.State) error { return survey.Cancel(st, actor, now) })
		n += done
		if err != nil {
			return n, true, err
		}
	}
	return n, false, nil
}

// cancelPlain cancels sends without attempts in one transaction.
func (s *Store) cancelPlain(ctx context.Context, ids []string, actor string) (n int64, err error) {
	now := stored(s.now())
	at := micros(now)
	data, err := encodeData(map[string]any{"reason": string(survey.ReasonCancelled), "actor": actor})
	if err != nil {
		return 0, err
	}
	slices.Sort(ids) // in the order in which others lock them
	done := make([]string, 0, len(ids))
	err = s.do(ctx, otherJob, len(ids), func(ctx context.Context, t *tx) error {
		done = done[:0]
		err := t.insertReturning(ctx, cancelPending, cancelPendingShape, len(ids), func(args []any, i int) []any {
			return append(args, ids[i], at)
		}, func(row scanner) error {
			var id string
			err := row.Scan(&id)
			done = append(done, id)
			return err
		})
		if err != nil {
			return fmt.Errorf("cancel pending: %w", err)
		}
		err = t.insert(ctx, insertLedger, insertLedgerShape, len(done), func(args []any, i int) []any {
			return append(args, done[i], s.ids.New(survey.EventPrefix, now), "send.cancelled", at, data)
		}, nil)
		if err != nil {
			return fmt.Errorf("cancel pending: insert ledger: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return int64(len(done)), nil
}

// applyAll applies fn to each of a few sends at the same time, so that they share commits. It counts those that took it; a conflict
// or a send that is not there is passed over.
func (s *Store) applyAll(ctx context.Context, ids []string, fn func(*survey.State) error) (int64, error) {
	var n atomic.Int64
	var wg sync.WaitGroup
	faults := make([]error, len(ids))
	for i, id := range ids {
		wg.Go(func() {
			_, err := s.Apply(ctx, id, fn)
			switch {
			case err == nil:
				n.Add(1)
			case errors.Is(err, survey.ErrConflict), errors.Is(err, survey.ErrNotFound):
			default:
				faults[i] = err
			}
		})
	}
	wg.Wait()
	return n.Load(), errors.Join(faults...)
}
