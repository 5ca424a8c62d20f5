package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	// behindMark begins the names of the settings that say from which send on a writer owes contacts.
	behindMark = "contacts.behind."
	// keptMark begins those of the settings that say from which send on a writer keeps contacts back.
	keptMark = "contacts.kept."

	noteBehind = `
INSERT INTO settings (name, value, at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at`
	endBehind     = `DELETE FROM settings WHERE name = $1`
	selectBehind  = `SELECT name, value, at FROM settings WHERE name LIKE 'contacts.behind.%' OR name LIKE 'contacts.kept.%'`
	forgetBehind  = `DELETE FROM settings WHERE name = $1 AND at = $2`
	selectLatest  = `SELECT id FROM sends ORDER BY id DESC LIMIT $1`
	backlogMost   = 1024 // sends of the backlog in one commit
	backlogLeast  = 32
	behindForgive = time.Hour // a mark that nobody moved for so long is of a process that is gone: whoever is behind moves it with every part

	// A look-up for each send: a join might be made by reading all contacts. What a full list does not name is put in again, which changes nothing.
	selectFrom = `
SELECT s.id, s.mode, s.brand, s.contact_id, s.email, s.phone, s.viber_id, s.actor, s.created_at, s.doc,
COALESCE((SELECT CASE WHEN replace(contacts.sends, s.id, '') = contacts.sends THEN 1 ELSE 0 END
FROM contacts WHERE contacts.id = s.contact_id), 1)
FROM sends AS s WHERE s.id >= $1 ORDER BY s.id LIMIT $2`
)

// A backlog is what a writer owes: contacts of sends from an id on.
type backlog struct {
	mark  string // name of its setting
	from  string // "" = nothing
	noted bool   // the setting is there
	kept  string // no contact that is kept back is of an earlier send, as another setting says: after a crash only that tells; "" = none is there
}

// owe adds the contacts of sends.
func (b *backlog) owe(all []contact) {
	for i := range all {
		if id := all[i].first; b.from == "" || id < b.from {
			b.from, b.noted = id, false
		}
	}
}

// lose owes the contacts of sends of which nobody knows whether they are there, nor therefore the mark that came with them.
func (b *backlog) lose(all []contact) {
	b.owe(all)
	b.kept = cmp.Or(b.kept, b.from)
}

// A debt is one mark of a writer, as it was at a time.
type debt struct {
	backlog
	at int64
}

// soon reports whether the contacts are kept back only: their writer needs no pause of the others to write them.
func (d debt) soon() bool { return strings.HasPrefix(d.mark, keptMark) }

func (b *backlog) keptMark() string { return keptMark + strings.TrimPrefix(b.mark, behindMark) }

// noteKept marks the contacts that wait from now on: one row for as many as wait together.
func (t *tx) noteKept(ctx context.Context) error {
	first := backlog{from: t.behind.kept, noted: true}
	if first.owe(t.fresh); first.noted { // of earlier ones
		return nil
	}
	t.behind.kept = first.from
	if err := t.later(ctx, noteBehind, t.behind.keptMark(), []byte(first.from), micros(time.Now())); err != nil {
		return fmt.Errorf("note kept contacts: %w", err)
	}
	return nil
}

// endKept takes the mark of the contacts that waited away.
func (t *tx) endKept(ctx context.Context) error {
	if t.behind.kept == "" {
		return nil
	}
	t.behind.kept = ""
	if err := t.later(ctx, endBehind, t.behind.keptMark()); err != nil {
		return fmt.Errorf("end kept contacts: %w", err)
	}
	return nil
}

// leaveBehind drops the contacts that wait, and notes from where on they are to be read back.
func (t *tx) leaveBehind(ctx context.Context) error {
	t.wrote = true
	t.behind.owe(t.kept)
	t.behind.owe(t.fresh)
	if err := t.endKept(ctx); err != nil {
		return err
	}
	return t.noteBehind(ctx)
}

func (t *tx) noteBehind(ctx context.Context) error {
	var err error
	if t.behind.from == "" {
		err = t.later(ctx, endBehind, t.behind.mark)
	} else {
		err = t.later(ctx, noteBehind, t.behind.mark, []byte(t.behind.from), micros(time.Now()))
	}
	if err != nil {
		return fmt.Errorf("note backlog of contacts: %w", err)
	}
	t.behind.noted = t.behind.from != ""
	return nil
}

// backlogPart is how many sends of the backlog to look at next, when so many took so long: whoever writes next waits for them.
func backlogPart(part int, took time.Duration) int {
	const held = 10 * time.Millisecond // may others be held up for
	fits := int(float64(part) * float64(held) / float64(max(took, held/2)))
	return max(backlogLeast, min(fits, backlogMost))
}

// runContacts writes the contacts that wait, and a part of the backlog.
func (s *Store) runContacts(ctx context.Context, t *tx, part int) error {
	if err := writeContacts(ctx, t); err != nil || t.behind.from == "" {
		return err
	}
	next, err := s.catchUp(ctx, t, t.behind.from, part)
	if err != nil {
		return err
	}
	t.behind.from = next
	return t.noteBehind(ctx)
}

// catchUp writes the contacts of some sends from an id on that have none, and gives the id to go on from, "" at the end.
func (s *Store) catchUp(ctx context.Context, t *tx, from string, part int) (next string, err error) {
	var lost []contact
	n := 0
	err = t.each(ctx, shaped{text: selectFrom}, "", []any{from, int64(part)}, func(row scanner) error {
		var m survey.Send
		var created, unkept int64
		var text string
		err := row.Scan(&m.ID, (*string)(&m.Mode), &m.Brand, &m.ContactID, &m.Recipient.Email, &m.Recipient.Phone, &m.Recipient.ViberID,
			&m.Actor, &created, &text, &unkept)
		if err != nil {
			return err
		}
		n, next = n+1, m.ID
		if unkept == 0 {
			return nil
		}
		m.CreatedAt = moment(created)
		if err := s.decodeDoc(text, &m); err != nil {
			return err
		}
		lost = append(lost, newContact(&m))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read backlog of contacts: %w", err)
	}
	if n < part {
		next = ""
	}
	return next, putContacts(ctx, t, lost)
}

// healContacts adds the contacts that a crash kept from being written: of the latest sends, of those that a writer
// still owed, and of all, when contacts were never written so. Marks that nobody moves any more are taken away later.
func (s *Store) healContacts(ctx context.Context, latest int) error {
	debts, err := s.debts(ctx)
	if err != nil {
		return err
	}
	s.healed = slices.Clone(debts)
	var from []string
	for _, d := range debts {
		from = append(from, d.from)
	}
	rows, err := s.reader.query(ctx, selectLatest, int64(latest))
	err = each(rows, err, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		from = append(from, id)
		return err
	})
	if err != nil || len(from) == 0 {
		return err
	}
	for from := slices.Min(from); from != ""; {
		next := ""
		err := s.other(ctx, func(ctx context.Context, t *tx) error {
			next, err = s.catchUp(ctx, t, from, backlogMost)
			return err
		})
		if err != nil {
			return err
		}
		from = next
	}
	long := micros(time.Now().Add(-behindForgive))
	fresh := slices.DeleteFunc(slices.Clone(debts), func(d debt) bool { return d.at < long })
	if len(fresh) > 0 {
		s.later.Go(func() { //nolint:contextcheck // of the store, not of whoever opened it
			select {
			case <-time.After(behindForgive):
				if err := s.forgive(context.Background(), fresh); err != nil {
					s.log.WarnContext(context.Background(), "marks of contacts stay", "error", err)
				}
			case <-s.closing: // the next start sees them
			}
		})
	}
	return s.forgive(ctx, slices.DeleteFunc(debts, func(d debt) bool { return d.at >= long }))
}

// forgive takes away the marks that nobody moved since: what they stood for was read back, and who made them is gone.
func (s *Store) forgive(ctx context.Context, debts []debt) error {
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		for _, d := range debts {
			if _, err := t.exec(ctx, forgetBehind, d.mark, d.at); err != nil {
				return err
			}
		}
		return nil
	})
}

// debts lists what writers owe.
func (s *Store) debts(ctx context.Context) (debts []debt, err error) {
	rows, err := s.reader.query(ctx, selectBehind)
	err = each(rows, err, func(row scanner) error {
		var d debt
		var from []byte
		err := row.Scan(&d.mark, &from, &d.at)
		d.from = string(from)
		debts = append(debts, d)
		return err
	})
	return debts, err
}

// flushSome writes the contacts that are kept back, and a part of the backlog. It gives from which send on the writer still owes, "" when nothing.
func (s *Store) flushSome(ctx context.Context) (from string, err error) {
	var owed string // the writer's, until its answer
	if err := s.do(ctx, contactsJob, backlogMost, &owed); err != nil {
		return "", err
	}
	return owed, nil
}

// flushContacts writes the contacts of all sends until now: whoever asks for a person wants what was just accepted too. A large backlog takes
// as long as the caller waits.
func (s *Store) flushContacts(ctx context.Context) error {
	from, err := s.flushSome(ctx)
	if err != nil || from == "" {
		return err
	}
	latest := ""
	if err := s.reader.row(ctx, selectLatest, []any{int64(1)}, &latest); err != nil {
		return fmt.Errorf("latest send: %w", err)
	}
	for err == nil && from != "" && from <= latest {
		from, err = s.flushSome(ctx)
	}
	return err
}

// nobody is what whoever looked for a person is told with survey.ErrNotFound: that there is none, or, as long as another writer owes contacts,
// survey.ErrUnavailable. Other errors stay.
func (s *Store) nobody(ctx context.Context, err error) error {
	if !errors.Is(err, survey.ErrNotFound) {
		return err
	}
	debts, fault := s.debts(ctx)
	if fault != nil {
		return fault
	}
	for _, d := range debts {
		if d.mark != s.sole && !d.soon() && !slices.Contains(s.healed, d) {
			return fmt.Errorf("contacts are still to be written: %w", survey.ErrUnavailable)
		}
	}
	return err
}

// owedContacts gives from which send on a writer has not written contacts: from there their rows do not list every send.
func (s *Store) owedContacts(ctx context.Context) (from string, owed bool, err error) {
	debts, err := s.debts(ctx)
	for _, d := range debts {
		if d.soon() && slices.Contains(s.healed, d) { // of a crash, and read back
			continue
		}
		if !owed || d.from < from {
			from, owed = d.from, true
		}
	}
	return from, owed, err
}
