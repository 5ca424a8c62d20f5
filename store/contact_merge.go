package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	// One at a time merges: two at once could each take the other's survivor away.
	lockMerging = `SELECT name FROM settings WHERE name = 'contacts.merge'`

	selectRoots = `SELECT id, mode, merged_into, external_id, created_at FROM contacts WHERE id IN (%s)`

	// All that was merged into the one moves along: a chain is never longer than one.
	mergeContact  = `UPDATE contacts SET merged_into = $1 WHERE id = $2`
	moveMerged    = `UPDATE contacts SET merged_into = $1 WHERE merged_into <> '' AND merged_into = $2`
	giveExternal  = `UPDATE contacts SET external_id = $1 WHERE id = $2 AND external_id = ''`
	touchContacts = `UPDATE contacts SET updated_at = $1 WHERE id = $2 AND updated_at < $1`

	insertContactEvents      = `INSERT INTO contact_events (contact_id, id, mode, type, actor, at, data) VALUES %s`
	insertContactEventsShape = "ttttttt"
)

// people are contacts as the rule of merging sees them, by id.
type people map[string]*person

type person struct {
	id, into, external string
	mode               survey.Mode
	created            int64
}

// root is who a contact is now, nil when there is none.
func (p people) root(id string) *person {
	x := p[id]
	for x != nil && x.into != "" {
		x = p[x.into]
	}
	return x
}

// loadPeople reads contacts and those that they were merged into.
func loadPeople(ctx context.Context, q querier, ids []string) (people, error) {
	found := people{}
	for len(ids) > 0 {
		slices.Sort(ids)
		var next []string
		err := in(ctx, q, selectRoots, slices.Compact(ids), func(row scanner) error {
			var x person
			if err := row.Scan(&x.id, (*string)(&x.mode), &x.into, &x.external, &x.created); err != nil {
				return err
			}
			found[x.id] = &x
			if x.into != "" {
				next = append(next, x.into)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("load contacts: %w", err)
		}
		ids = slices.DeleteFunc(next, func(id string) bool { return found[id] != nil })
	}
	return found, nil
}

// A merge says that some contacts are the person of another.
type merge struct {
	survivor string
	merged   []string
	external string // that the survivor gets
	mode     survey.Mode
	by       string // kind of the id that they share; "" = somebody said so
	actor    string
	at       int64
}

// meet merges the contacts that share an id and are one person.
func meet(ctx context.Context, t *tx, meetings []meeting) error {
	if len(meetings) == 0 {
		return nil
	}
	var ids []string
	for _, m := range meetings {
		ids = append(append(ids, m.of.id), m.others...)
	}
	known, err := loadPeople(ctx, t, slices.Clone(ids))
	if err != nil || len(decideMerges(meetings, known)) == 0 {
		return err
	}
	if err := lockMerges(ctx, t); err != nil {
		return err
	}
	if known, err = loadPeople(ctx, t, ids); err != nil { // another may have merged before the lock
		return err
	}
	return writeMerges(ctx, t, decideMerges(meetings, known))
}

func lockMerges(ctx context.Context, t *tx) error {
	return t.each(ctx, shaped{text: lockMerging + t.dialect.lock}, "", nil, func(row scanner) error {
		var name string
		return row.Scan(&name)
	})
}

// decideMerges asks the rule for each shared id, and brings known up to date.
func decideMerges(meetings []meeting, known people) []merge {
	var merges []merge
	for _, m := range meetings {
		var all []survey.Candidate
		seen := map[string]bool{}
		for _, id := range append([]string{m.of.id}, m.others...) {
			x := known.root(id)
			if x == nil || seen[x.id] {
				continue
			}
			seen[x.id] = true
			all = append(all, survey.Candidate{ID: x.id, External: x.external != "", CreatedAt: moment(x.created)})
		}
		survivor, merged := survey.SamePerson(all)
		if survivor == "" {
			continue
		}
		done := merge{survivor: survivor, merged: merged, mode: m.of.mode, by: m.kind, actor: m.of.actor, at: m.of.at}
		for _, id := range merged {
			known[id].into = survivor
			if known[id].external != "" {
				known[survivor].external, done.external = known[id].external, known[id].external
			}
		}
		merges = append(merges, done)
	}
	return merges
}

func writeMerges(ctx context.Context, t *tx, merges []merge) error {
	var events []contactEvent
	for _, m := range merges {
		for _, id := range m.merged {
			for _, text := range [...]string{mergeContact, moveMerged} {
				if err := t.later(ctx, text, m.survivor, id); err != nil {
					return fmt.Errorf("merge contacts: %w", err)
				}
			}
			events = append(events,
				contactEvent{m.survivor, m.mode, survey.ContactMerged, m.actor, m.at, map[string]any{"from": id, "by": m.by}},
				contactEvent{id, m.mode, survey.ContactMerged, m.actor, m.at, map[string]any{"into": m.survivor, "by": m.by}})
		}
		if m.external != "" {
			if err := t.later(ctx, giveExternal, m.external, m.survivor); err != nil {
				return fmt.Errorf("merge contacts: %w", err)
			}
		}
		if err := t.later(ctx, touchContacts, m.at, m.survivor); err != nil {
			return fmt.Errorf("merge contacts: %w", err)
		}
	}
	return writeContactEvents(ctx, t, events)
}

// A contactEvent is a row of the ledger of contacts.
type contactEvent struct {
	contact string
	mode    survey.Mode
	typ     string
	actor   string
	at      int64
	data    map[string]any
}

func writeContactEvents(ctx context.Context, t *tx, events []contactEvent) error {
	var ids survey.IDSource
	data := make([]string, len(events))
	for i, e := range events {
		for name, v := range e.data {
			if v == "" {
				delete(e.data, name)
			}
		}
		var err error
		if data[i], err = encodeData(e.data); err != nil {
			return fmt.Errorf("encode event of contact: %w", err)
		}
	}
	err := t.insert(ctx, insertContactEvents, insertContactEventsShape, len(events), func(args []any, i int) []any {
		e := &events[i]
		return append(args, e.contact, ids.New(survey.EventPrefix, moment(e.at)), string(e.mode), e.typ, e.actor, e.at, data[i])
	}, nil)
	if err != nil {
		return fmt.Errorf("insert events of contacts: %w", err)
	}
	return nil
}

// MergeContacts says that a contact is the person of another, whose id survives; both may have been merged before. Two
// that are one person already stay so. survey.ErrNotFound when one of them is not there or of another mode;
// survey.ErrUnavailable as Person has it.
func (s *Store) MergeContacts(ctx context.Context, mode survey.Mode, id, into, actor string, now time.Time) error {
	if err := s.flushContacts(ctx); err != nil {
		return err
	}
	err := s.other(ctx, func(ctx context.Context, t *tx) error {
		if err := lockMerges(ctx, t); err != nil {
			return err
		}
		known, err := loadPeople(ctx, t, []string{id, into})
		if err != nil {
			return err
		}
		from, to := known.root(id), known.root(into)
		if from == nil || to == nil || from.mode != mode || to.mode != mode {
			return survey.ErrNotFound
		}
		if from == to {
			return nil
		}
		return writeMerges(ctx, t, []merge{{
			survivor: to.id, merged: []string{from.id}, external: from.external, mode: mode, actor: actor, at: micros(now),
		}})
	})
	return s.nobody(ctx, err)
}
