package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/odziv/odziv/survey"
)

const (
	// One row: SQLite copies the VALUES of an UPDATE FROM before it begins, and PostgreSQL gets all of a group at once.
	updateSend = `
UPDATE sends SET locale = $1, status = $2, reason = $3, kind = $4, step = $5, lane = $6, queue = $7, due_at = $8, epoch = $9, tries = $10,
expires_at = $11, updated_at = $12, thread = $13, response_id = $14, attempts = $15, rev = $16 WHERE id = $17 AND rev = $18`

	// For most changes one of these does. A column that is named is written to its indexes, even when it stays the same: SQLite does not
	// compare, and makes a table of the reasons of sends_letters for each row.
	updateSendDue = `
UPDATE sends SET status = $1, lane = $2, queue = $3, due_at = $4, epoch = $5, tries = $6, updated_at = $7, thread = $8, attempts = $9, rev = $10
WHERE id = $11 AND rev = $12`
	updateSendInPlace = `
UPDATE sends SET status = $1, epoch = $2, tries = $3, updated_at = $4, thread = $5, attempts = $6, rev = $7 WHERE id = $8 AND rev = $9`

	whileNobodyLeft = ` AND NOT EXISTS (SELECT 1 FROM suppressions WHERE address IN (%s))`

	updateRecipient = `UPDATE sends SET email = $2, phone = $3, viber_id = $4, plan = $5, doc = $6 WHERE id = $1`

	insertAttempts      = `INSERT INTO attempts (` + attemptColumns + `) VALUES %s`
	insertAttemptsShape = "ttttttttttttttt"

	updateAttempt = `
UPDATE attempts SET status = $1, provider_id = $2, fault = $3, code = $4, segments = $5, updated_at = $6 WHERE send_id = $7 AND id = $8`

	insertLedger      = `INSERT INTO ledger (send_id, id, type, at, data) VALUES %s`
	insertLedgerShape = "ttttt"
)

// guarded is a statement that writes a send as long as there is no suppression under any of some keys: to look for them
// before is a round trip to PostgreSQL, and half of the time of the statement.
func guarded(text string) string {
	switch text {
	case updateSendInPlace:
		return updateSendInPlace + whileNobodyLeft
	case updateSendDue:
		return updateSendDue + whileNobodyLeft
	default:
		return updateSend + whileNobodyLeft
	}
}

// writeSends writes the rows of sends that are still at the revision that was known. It gives the others.
func (s *Store) writeSends(ctx context.Context, t *tx, turns []*turn) (missed []*turn, err error) {
	err = t.link.execEach(ctx, "t", len(turns), func(args []any, i int) (shaped, []any) {
		text, args := turns[i].update(args)
		keys := turns[i].keys
		if len(keys) == 0 {
			return shaped{text: text}, args
		}
		for _, key := range keys {
			args = append(args, key)
		}
		return shaped{guarded(text), len(keys)}, args
	}, func(i int, n int64) {
		if n == 0 {
			missed = append(missed, turns[i])
		}
	})
	if err != nil {
		return nil, fmt.Errorf("update send: %w", err)
	}
	return missed, nil
}

// update gives the statement that writes the row of a turn, with its values.
func (u *turn) update(args []any) (text string, values []any) {
	was, m := &u.changes[0].before.Send, &u.now.Send
	response, answered := responseID(u.now.Response), responseID(u.changes[0].before.Response)
	thread, tried := u.changes[len(u.changes)-1].thread, int64(len(u.now.Attempts))
	rest := m.Locale != was.Locale || m.Reason != was.Reason || m.Kind != was.Kind || m.Step != was.Step ||
		!m.ExpiresAt.Equal(was.ExpiresAt) || response != answered
	switch due := m.Lane != was.Lane || queueOf(m) != queueOf(was) || !m.DueAt.Equal(was.DueAt); {
	case rest:
		return updateSend, append(args, m.Locale, string(m.Status), string(m.Reason), string(m.Kind), int64(m.Step), m.Lane, queueOf(m),
			micros(m.DueAt), m.Epoch, int64(m.Tries), micros(m.ExpiresAt), micros(m.UpdatedAt), thread, response, tried, m.Rev, m.ID, u.rev)
	case due:
		return updateSendDue, append(args, string(m.Status), m.Lane, queueOf(m), micros(m.DueAt), m.Epoch, int64(m.Tries),
			micros(m.UpdatedAt), thread, tried, m.Rev, m.ID, u.rev)
	default:
		return updateSendInPlace, append(args, string(m.Status), m.Epoch, int64(m.Tries), micros(m.UpdatedAt), thread, tried, m.Rev, m.ID, u.rev)
	}
}

func responseID(r *survey.Response) string {
	if r == nil {
		return ""
	}
	return r.ID
}

// A diff is all that a group of Apply calls changed beside the rows of sends.
type diff struct {
	recipients   []*change
	attempts     map[string]survey.Attempt
	begun, moved []string // ids of attempts: new ones, and those that there were
	events       []ledgerRow
	threads      map[threadKey]thread
	responses    []*survey.Response
	suppressions []survey.Suppression
	lifts        []survey.Suppression
	noFatigue    bool // of the store
}

// add notes what one call changed.
func (d *diff) add(c *change) {
	before, after := &c.before, &c.after
	if c.recipient {
		d.recipients = append(d.recipients, c)
	}
	for i := range after.Attempts {
		a := &after.Attempts[i]
		var was *survey.Attempt
		if i < len(before.Attempts) && before.Attempts[i].ID == a.ID {
			was = &before.Attempts[i]
		} else if at := slices.IndexFunc(before.Attempts, func(b survey.Attempt) bool { return b.ID == a.ID }); at >= 0 {
			was = &before.Attempts[at]
		}
		if was != nil && *was == *a {
			continue
		}
		if _, ok := d.attempts[a.ID]; !ok && was == nil {
			d.begun = append(d.begun, a.ID)
		} else if !ok {
			d.moved = append(d.moved, a.ID)
		}
		d.attempts[a.ID] = *a
		d.attemptOf(&after.Send, was, a)
	}
	d.threadsOf(before, after)
	if after.Response != nil && !sameResponse(before.Response, after.Response) {
		d.responses = slices.DeleteFunc(d.responses, func(r *survey.Response) bool { return r.ID == after.Response.ID })
		d.responses = append(d.responses, after.Response)
	}
	for _, p := range after.Suppressions {
		if !slices.Contains(before.Suppressions, p) {
			d.suppressions = append(d.suppressions, p)
		}
	}
	for _, p := range after.Lift {
		d.suppressions = slices.DeleteFunc(d.suppressions, func(a survey.Suppression) bool { return keyOf(&a) == keyOf(&p) }) // by a change before
		d.lifts = append(d.lifts, p)
	}
	d.events = append(d.events, c.events...)
}

func (s *Store) write(ctx context.Context, t *tx, d *diff) error {
	for _, c := range d.recipients {
		m := &c.after.Send
		if err := t.later(ctx, updateRecipient, m.ID, m.Recipient.Email, m.Recipient.Phone, m.Recipient.ViberID, c.plan, c.doc); err != nil {
			return fmt.Errorf("update recipient: %w", err)
		}
	}
	if err := writeAttempts(ctx, t, d); err != nil {
		return err
	}
	err := t.insert(ctx, insertLedger, insertLedgerShape, len(d.events), func(args []any, i int) []any {
		e := &d.events[i]
		return append(args, e.sendID, e.id, e.typ, e.at, e.data)
	}, nil)
	if err != nil {
		return fmt.Errorf("insert ledger: %w", err)
	}
	if err := writeThreads(ctx, t, d.threads); err != nil {
		return err
	}
	if err := writeResponses(ctx, t, d.responses); err != nil {
		return err
	}
	if err := s.deleteSuppressions(ctx, t, d.lifts); err != nil {
		return err
	}
	return writeSuppressions(ctx, t, d.suppressions)
}

func writeAttempts(ctx context.Context, t *tx, d *diff) error {
	err := t.insert(ctx, insertAttempts, insertAttemptsShape, len(d.begun), func(args []any, i int) []any {
		a := d.attempts[d.begun[i]]
		return append(args, a.ID, a.SendID, string(a.Kind), int64(a.Step), string(a.Channel), a.Sender, a.Address, string(a.Status),
			a.ProviderID, a.Fault, a.Code, int64(a.Segments), a.Epoch, micros(a.At), micros(a.UpdatedAt))
	}, nil)
	if err != nil {
		return fmt.Errorf("insert attempts: %w", err)
	}
	for _, id := range d.moved {
		a := d.attempts[id]
		err := t.later(ctx, updateAttempt, string(a.Status), a.ProviderID, a.Fault, a.Code, int64(a.Segments), micros(a.UpdatedAt), a.SendID, a.ID)
		if err != nil {
			return fmt.Errorf("update attempt: %w", err)
		}
	}
	return nil
}
