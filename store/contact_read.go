package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	contactColumns = `id, mode, brand, external_id, name, merged_into, created_at, updated_at, erased_at, known, sends`

	selectContacts = `SELECT ` + contactColumns + ` FROM contacts WHERE id IN (%s)`
	selectMembers  = `SELECT ` + contactColumns + ` FROM contacts WHERE merged_into <> '' AND merged_into IN (%s)`

	selectOwners = `SELECT contact_id FROM identities WHERE value = $1 AND kind = $2 AND mode = $3`

	selectExternal = `SELECT id FROM contacts WHERE id = $1 AND external_id = $2`

	selectContactEvents = `SELECT contact_id, id, type, actor, at, data FROM contact_events WHERE contact_id IN (%s)`
)

// A contactRow is one row of contacts.
type contactRow struct {
	survey.Contact
	external, into, sends string
}

func scanContact(row scanner) (contactRow, error) {
	var c contactRow
	var created, updated, erased int64
	var known string
	err := row.Scan(&c.ID, (*string)(&c.Mode), &c.Brand, &c.external, &c.Name, &c.into, &created, &updated, &erased, &known, &c.sends)
	c.CreatedAt, c.UpdatedAt, c.ErasedAt = moment(created), moment(updated), moment(erased)
	if c.external != "" {
		c.Identities = append(c.Identities, survey.Identity{Kind: survey.ByExternalID, Value: c.external})
	}
	c.Identities = append(c.Identities, identitiesOf(known)...)
	return c, err
}

// A whole is a person with the ids of their sends and of all their contacts.
type whole struct {
	survey.Contact
	contacts []string // the survivor first
	sends    []string // newest first
	full     bool     // there are more sends than the rows list
}

// loadWhole gives the people of contacts, by id of the surviving contact.
func loadWhole(ctx context.Context, q querier, ids []string) (map[string]*whole, error) {
	byID := map[string]contactRow{}
	read := func(row scanner) error {
		c, err := scanContact(row)
		byID[c.ID] = c
		return err
	}
	for want := ids; len(want) > 0; {
		if err := in(ctx, q, selectContacts, want, read); err != nil {
			return nil, fmt.Errorf("load contacts: %w", err)
		}
		var next []string
		for _, id := range want {
			if c, ok := byID[id]; ok && c.into != "" {
				if _, there := byID[c.into]; !there {
					next = append(next, c.into)
				}
			}
		}
		want = next
	}
	var roots []string
	for id, c := range byID {
		if c.into == "" {
			roots = append(roots, id)
		}
	}
	if err := in(ctx, q, selectMembers, roots, read); err != nil {
		return nil, fmt.Errorf("load merged contacts: %w", err)
	}
	found := make(map[string]*whole, len(roots))
	for _, id := range roots {
		found[id] = &whole{Contact: byID[id].Contact, contacts: []string{id}}
		found[id].take(byID[id])
	}
	members := make([]contactRow, 0, len(byID))
	for _, c := range byID {
		if c.into != "" && found[c.into] != nil {
			members = append(members, c)
		}
	}
	slices.SortFunc(members, func(a, b contactRow) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	for _, c := range members {
		p := found[c.into]
		p.contacts, p.Merged = append(p.contacts, c.ID), append(p.Merged, c.ID)
		p.take(c)
	}
	for _, p := range found {
		p.finish()
	}
	return found, nil
}

// take joins what one row says of the person.
func (p *whole) take(c contactRow) {
	for _, x := range c.Identities {
		if !slices.Contains(p.Identities, x) {
			p.Identities = append(p.Identities, x)
		}
	}
	p.Name = cmp.Or(p.Name, c.Name)
	if c.UpdatedAt.After(p.UpdatedAt) {
		p.UpdatedAt, p.Name = c.UpdatedAt, cmp.Or(c.Name, p.Name)
	}
	p.sends = append(p.sends, strings.Fields(c.sends)...)
	p.full = p.full || len(c.sends) >= sendsFull
}

func (p *whole) finish() {
	kinds := survey.IdentityKinds()
	slices.SortStableFunc(p.Identities, func(a, b survey.Identity) int { return slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind) })
	slices.Sort(p.sends)
	slices.Reverse(p.sends)
	p.sends = slices.Compact(p.sends)
}

// loadPerson gives the person of a contact; survey.ErrNotFound when there is none in the mode.
func loadPerson(ctx context.Context, q querier, mode survey.Mode, id string) (*whole, error) {
	found, err := loadWhole(ctx, q, []string{id})
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		if p.Mode == mode || mode == "" {
			return p, nil
		}
	}
	return nil, survey.ErrNotFound
}

// Contacts lists people, newest first; or those whom one id names: several, when they share it. next is "" at the end.
// survey.InvalidError when the cursor is none; survey.ErrUnavailable as Person has it.
func (s *Store) Contacts(ctx context.Context, f survey.ContactFilter) (items []survey.Contact, next string, err error) {
	var ids []string
	if f.Identity.Kind != "" {
		ids, err = s.named(ctx, f.Mode, f.Identity)
	} else {
		ids, next, err = s.newest(ctx, f)
	}
	if err != nil {
		return nil, "", err
	}
	found, err := loadWhole(ctx, &s.reader, ids)
	if err != nil {
		return nil, "", err
	}
	for _, p := range found {
		items = append(items, p.Contact)
	}
	slices.SortFunc(items, func(a, b survey.Contact) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	})
	return items, next, nil
}

// named gives the contacts that an id names.
func (s *Store) named(ctx context.Context, mode survey.Mode, x survey.Identity) ([]string, error) {
	if err := s.flushContacts(ctx); err != nil {
		return nil, err
	}
	var ids []string
	for _, mode := range modesOf(mode) {
		text, args := selectOwners, []any{x.Same(), x.Kind, string(mode)}
		if x.Kind == survey.ByExternalID {
			text, args = selectExternal, []any{survey.ContactID(mode, survey.Recipient{ExternalID: x.Value}), x.Value}
		}
		rows, err := s.reader.query(ctx, text, args...)
		err = each(rows, err, func(row scanner) error {
			var id string
			err := row.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("find contact: %w", err)
		}
	}
	if len(ids) == 0 {
		if err := s.nobody(ctx, survey.ErrNotFound); !errors.Is(err, survey.ErrNotFound) {
			return nil, err
		}
	}
	return ids, nil
}

// modesOf are the modes that a filter asks for: "" is any.
func modesOf(m survey.Mode) []survey.Mode {
	if m == "" {
		return []survey.Mode{survey.Live, survey.Test}
	}
	return []survey.Mode{m}
}

// newest gives a page of the contacts that are not merged into another: of each mode by the index of what is new, joined here. Those of a backlog
// are there when they are written: a list may be behind.
func (s *Store) newest(ctx context.Context, f survey.ContactFilter) (ids []string, next string, err error) {
	if _, err := s.flushSome(ctx); err != nil {
		return nil, "", err
	}
	type place struct {
		at int64
		id string
	}
	var before place
	if f.Cursor != "" {
		if before.at, before.id, err = contactCursor(f.Cursor); err != nil {
			return nil, "", err
		}
	}
	limit := page(f.Limit)
	var places []place
	for _, mode := range modesOf(f.Mode) {
		w := where{args: []any{string(mode)}}
		if before.id != "" {
			w.args = append(w.args, before.at, before.id)
			w.text.WriteString(" AND created_at <= $2 AND (created_at < $2 OR id < $3)")
		}
		text := `SELECT id, created_at FROM contacts WHERE mode = $1 AND merged_into = ''` + w.text.String() +
			` ORDER BY created_at DESC, id DESC` + w.limit(limit+1)
		rows, err := s.reader.query(ctx, text, w.args...)
		err = each(rows, err, func(row scanner) error {
			var p place
			err := row.Scan(&p.id, &p.at)
			places = append(places, p)
			return err
		})
		if err != nil {
			return nil, "", fmt.Errorf("list contacts: %w", err)
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(b.at, a.at), strings.Compare(b.id, a.id)) })
	if len(places) > limit {
		places = places[:limit]
		last := places[limit-1]
		next = strconv.FormatInt(last.at, 36) + "." + last.id
	}
	for _, p := range places {
		ids = append(ids, p.id)
	}
	return ids, next, nil
}

// contactCursor reads the place where a page ended.
func contactCursor(text string) (at int64, id string, err error) {
	micro, id, _ := strings.Cut(text, ".")
	at, err = strconv.ParseInt(micro, 36, 64)
	if _, ok := survey.RawID(survey.ContactPrefix, id); err != nil || !ok {
		return 0, "", survey.InvalidError{{
			Pointer: "/cursor", Code: "invalid_value", Detail: "this is no cursor of this list; take it from «next» of the page before",
		}}
	}
	return at, id, nil
}

// Person gives one person with the newest of what happened, at most limit sends (0 = 50), by the id of any of their
// contacts. mode "" is any. survey.ErrNotFound when there is none; survey.ErrUnavailable when there may be one: another gateway owes contacts.
func (s *Store) Person(ctx context.Context, mode survey.Mode, id string, limit int) (survey.Person, error) {
	if err := s.flushContacts(ctx); err != nil {
		return survey.Person{}, err
	}
	p, err := loadPerson(ctx, &s.reader, mode, id)
	if err != nil {
		return survey.Person{}, s.nobody(ctx, err)
	}
	out := survey.Person{Contact: p.Contact}
	if out.Consents, err = consentsOf(ctx, &s.reader, p.contacts); err != nil {
		return out, fmt.Errorf("consents of %s: %w", p.ID, err)
	}
	if out.Suppressions, err = s.suppressedUnder(ctx, &s.reader, p.Mode, p.Addresses()); err != nil {
		return out, fmt.Errorf("suppressions of %s: %w", p.ID, err)
	}
	if out.Events, err = contactEventsOf(ctx, &s.reader, p.contacts); err != nil {
		return out, fmt.Errorf("events of %s: %w", p.ID, err)
	}
	ids := p.sends[:min(len(p.sends), page(limit))]
	states, err := s.load(ctx, &s.reader, ids, "")
	if err != nil {
		return out, err
	}
	for _, id := range ids {
		st := states[id]
		if st == nil {
			continue
		}
		r := survey.Reached{Send: st.Send, Response: st.Response}
		if n := len(st.Attempts); n > 0 {
			r.Channel = st.Attempts[n-1].Channel
		}
		out.Sends = append(out.Sends, r)
	}
	return out, nil
}

// contactEventsOf lists what happened to contacts, newest first.
func contactEventsOf(ctx context.Context, q querier, ids []string) ([]survey.ContactEvent, error) {
	var all []survey.ContactEvent
	err := in(ctx, q, selectContactEvents, ids, func(row scanner) error {
		var e survey.ContactEvent
		var at int64
		var data string
		if err := row.Scan(&e.ContactID, &e.ID, &e.Type, &e.Actor, &at, &data); err != nil {
			return err
		}
		e.At = moment(at)
		all = append(all, e)
		return decodeJSON(data, &all[len(all)-1].Data)
	})
	slices.SortFunc(all, func(a, b survey.ContactEvent) int { return strings.Compare(a.ID, b.ID) })
	all = slices.CompactFunc(all, func(a, b survey.ContactEvent) bool { return a.ID == b.ID && a.ContactID == b.ContactID })
	return newestFirst(all, func(e survey.ContactEvent) time.Time { return e.At }), err
}

// newestFirst sorts and drops what a list that was filled up gave twice.
func newestFirst[T any](all []T, at func(T) time.Time) []T {
	slices.SortStableFunc(all, func(a, b T) int { return at(b).Compare(at(a)) })
	return all
}
