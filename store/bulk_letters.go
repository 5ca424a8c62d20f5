package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	// deadLetter is the condition of the index sends_letters, word for word, and what it leaves open.
	deadLetter = `reason IN ('attempts_exhausted', 'provider_rejected', 'unreachable', 'misconfigured', 'render_failed', 'no_sender', 'no_address', 'uncertain')
AND sends.status = 'failed'`

	// The last attempt says who failed and why.
	letterTables = ` FROM sends LEFT JOIN attempts ON attempts.id = (
SELECT latest.id FROM attempts AS latest WHERE latest.send_id = sends.id ORDER BY latest.at DESC, latest.id DESC LIMIT 1)
WHERE sends.id <> '' AND ` + deadLetter

	lastAttempt = `coalesce(attempts.sender, ''), coalesce(attempts.fault, ''), coalesce(attempts.code, '')`
)

// summaryRows bounds what is counted for a summary.
const summaryRows = 200000

// letterWhere are the conditions of f; id is that of the cursor.
func letterWhere(f survey.LetterFilter) *where {
	w := &where{}
	w.add("sends.mode = %s", string(f.Mode))
	w.add("sends.survey = %s", f.Survey)
	w.add("sends.reason = %s", string(f.Reason))
	if f.Exact {
		w.args = append(w.args, f.Sender, f.Fault, f.Code)
		n := len(w.args)
		fmt.Fprintf(&w.text, " AND coalesce(attempts.sender, '') = $%d AND coalesce(attempts.fault, '') = $%d AND coalesce(attempts.code, '') = $%d", n-2, n-1, n)
	} else {
		w.add("attempts.sender = %s", f.Sender)
		w.add("attempts.fault = %s", f.Fault)
		w.add("attempts.code = %s", f.Code)
	}
	if !f.Since.IsZero() {
		w.args = append(w.args, micros(f.Since))
		w.text.WriteString(" AND sends.updated_at >= $" + strconv.Itoa(len(w.args)))
	}
	if f.Sure {
		w.text.WriteString(` AND sends.reason <> 'uncertain'`)
	}
	w.add("sends.id < %s", f.Cursor)
	return w
}

// Letters lists dead letters, those of the newest sends first. next is "" at the end. survey.InvalidError when the
// cursor is none.
func (s *Store) Letters(ctx context.Context, f survey.LetterFilter) (items []survey.Letter, next string, err error) {
	if err := checkCursor(survey.SendPrefix, f.Cursor); err != nil {
		return nil, "", err
	}
	w := letterWhere(f)
	limit := page(f.Limit)
	text := `SELECT ` + lastAttempt + `, ` + sendColumnsOf + letterTables + w.text.String() + ` ORDER BY sends.id DESC` + w.limit(limit+1)
	rows, err := s.reader.query(ctx, text, w.args...)
	err = each(rows, err, func(row scanner) error {
		var l survey.Letter
		m, err := s.scanSend(after{row, []any{&l.Sender, &l.Fault, &l.Code}})
		l.Send = m.Send
		items = append(items, l)
		return err
	})
	items, next = cut(items, limit, "", func(l survey.Letter) string { return l.Send.ID })
	return items, next, err
}

// after scans more columns before those that are asked for.
type after struct {
	scanner
	first []any
}

// Scan is scanner's.
func (a after) Scan(dest ...any) error { return a.scanner.Scan(append(a.first, dest...)...) }

// LetterSummary counts the dead letters that f selects by reason, sender, fault and code, the most first. more says
// that only the newest summaryRows were counted.
func (s *Store) LetterSummary(ctx context.Context, f survey.LetterFilter) (groups []survey.LetterCount, more bool, err error) {
	f.Cursor = ""
	w := letterWhere(f)
	text := `SELECT reason, sender, fault, code, count(*), min(updated_at), max(updated_at) FROM (
SELECT sends.reason, coalesce(attempts.sender, '') AS sender, coalesce(attempts.fault, '') AS fault, coalesce(attempts.code, '') AS code, sends.updated_at` +
		letterTables + w.text.String() + ` ORDER BY sends.id DESC` + w.limit(summaryRows) + `) AS letters
GROUP BY reason, sender, fault, code ORDER BY count(*) DESC, reason, sender, fault, code`
	var counted int64
	rows, err := s.reader.query(ctx, text, w.args...)
	err = each(rows, err, func(row scanner) error {
		var c survey.LetterCount
		var first, last int64
		if err := row.Scan((*string)(&c.Reason), &c.Sender, &c.Fault, &c.Code, &c.Count, &first, &last); err != nil {
			return err
		}
		c.First, c.Last = moment(first), moment(last)
		counted += c.Count
		groups = append(groups, c)
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("count dead letters: %w", err)
	}
	return groups, counted == summaryRows, nil
}

// ReplayLetters opens the dead letters that f selects again, the newest first, and gives how many. When budget is over it
// stops; cursor is where to go on, "" when all were looked at. Those that may have been delivered are never among them.
func (s *Store) ReplayLetters(ctx context.Context, f survey.LetterFilter, actor string, budget time.Duration) (n int64, cursor string, err error) {
	over := time.Now().Add(budget)
	f.Sure, f.Limit = true, 500
	for {
		letters, next, err := s.Letters(ctx, f)
		if err != nil {
			return n, f.Cursor, err
		}
		ids := make([]string, len(letters))
		for i := range letters {
			ids[i] = letters[i].Send.ID
		}
		now := s.now()
		done, err := s.applyAll(ctx, ids, func(st *survey.State) error {
			if st.Send.Reason == survey.ReasonUncertain { // meanwhile
				return survey.ErrConflict
			}
			return survey.Replayed(st, actor, now)
		})
		n += done
		if err != nil || next == "" {
			return n, next, err
		}
		if f.Cursor = next; time.Now().After(over) {
			return n, next, nil
		}
	}
}

// ReplayIDs opens the dead letters of a mode, "" for both, with these ids again. refused are the ids of those that are none.
func (s *Store) ReplayIDs(ctx context.Context, mode survey.Mode, ids []string, actor string) (n int64, refused []string, err error) {
	now := s.now()
	var wg sync.WaitGroup
	var done atomic.Int64
	faults := make([]error, len(ids))
	for i, id := range ids {
		wg.Go(func() {
			_, faults[i] = s.Apply(ctx, id, func(st *survey.State) error {
				if mode != "" && st.Send.Mode != mode {
					return survey.ErrNotFound
				}
				return survey.Replayed(st, actor, now)
			})
			if faults[i] == nil {
				done.Add(1)
			}
		})
	}
	wg.Wait()
	for i, err := range faults {
		if errors.Is(err, survey.ErrConflict) || errors.Is(err, survey.ErrNotFound) {
			refused, faults[i] = append(refused, ids[i]), nil
		}
	}
	return done.Load(), refused, errors.Join(faults...)
}
