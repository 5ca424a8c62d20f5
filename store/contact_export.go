package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/odziv/odziv/survey"
)

const selectLedgerOf = `SELECT id, send_id, type, at, data FROM events WHERE send_id = $1 ORDER BY id`

// ExportContact gives everything that is kept about one person, by the id of any of their contacts. survey.ErrNotFound
// when there is none in the mode; survey.ErrUnavailable as Person has it.
func (s *Store) ExportContact(ctx context.Context, mode survey.Mode, id string) (survey.Dossier, error) {
	var d survey.Dossier
	if err := s.flushContacts(ctx); err != nil {
		return d, err
	}
	tr, err := s.trace(ctx, mode, id)
	if err != nil {
		return d, s.nobody(ctx, err)
	}
	if d.Person, err = s.Person(ctx, mode, id, 1000); err != nil {
		return d, err
	}
	q, err := s.searchFor(ctx, tr)
	for more := err == nil; more && err == nil; {
		var found []survey.Inbound
		found, more, err = s.next(ctx, q)
		d.Inbound = append(d.Inbound, found...)
	}
	if err != nil {
		return d, err
	}
	slices.Reverse(d.Inbound)
	states, err := s.load(ctx, &s.reader, tr.sends, "")
	if err != nil {
		return d, err
	}
	ledger, err := s.ledgerOf(ctx, tr.sends)
	if err != nil {
		return d, err
	}
	for _, id := range slices.Backward(tr.sends) {
		if st := states[id]; st != nil {
			d.Files = append(d.Files, survey.File{Send: st.Send, Attempts: st.Attempts, Events: ledger[id], Response: st.Response})
		}
	}
	d.Made = stored(s.now())
	for _, id := range slices.Sorted(maps.Keys(tr.messages)) {
		d.Sandbox = append(d.Sandbox, tr.messages[id])
	}
	return d, nil
}

// ledgerOf gives the ledgers of sends, oldest first.
func (s *Store) ledgerOf(ctx context.Context, sends []string) (map[string][]survey.Event, error) {
	found := map[string][]survey.Event{}
	for _, id := range sends { // one by one: the view is a union, which an index serves for one id only
		rows, err := s.reader.query(ctx, selectLedgerOf, id)
		err = each(rows, err, func(row scanner) error {
			var e survey.Event
			var at int64
			var data string
			if err := row.Scan(&e.ID, &e.SendID, &e.Type, &at, &data); err != nil {
				return err
			}
			e.At = moment(at)
			err := decodeJSON(data, &e.Data)
			found[id] = append(found[id], e)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("ledger of %s: %w", id, err)
		}
	}
	return found, nil
}
