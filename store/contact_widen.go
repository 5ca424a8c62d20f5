package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/odziv/odziv/survey"
)

// selectKnown gives what is known of the whole person of each contact asked for.
const selectKnown = `
WITH roots (asked, root) AS (
SELECT id, CASE WHEN merged_into = '' THEN id ELSE merged_into END FROM contacts WHERE id IN (%s))
SELECT roots.asked, contacts.known FROM roots JOIN contacts ON contacts.id = roots.root
UNION ALL
SELECT roots.asked, contacts.known FROM roots JOIN contacts ON contacts.merged_into = roots.root WHERE contacts.merged_into <> ''`

// selectMet gives whom addresses name, as the people they are now.
const selectMet = `
SELECT identities.value, identities.mode, roots.id, roots.external_id, roots.created_at
FROM identities JOIN contacts ON contacts.id = identities.contact_id
JOIN contacts AS roots ON roots.id = CASE WHEN contacts.merged_into = '' THEN contacts.id ELSE contacts.merged_into END
WHERE identities.value IN (%s)`

// Persons gives, by id of a send, every address that is known of its person, those of the send itself first: fatigue and
// suppression are of people, not of addresses. One query for 128 sends, and another for those whose contact is not written yet.
func (s *Store) Persons(ctx context.Context, states []survey.State) (map[string][]string, error) {
	ids := make([]string, 0, len(states))
	for i := range states {
		ids = append(ids, states[i].Send.ContactID)
	}
	known, err := addressesOfPerson(ctx, &s.reader, ids)
	if err != nil {
		return nil, err
	}
	if err := s.meetAhead(ctx, states, known); err != nil {
		return nil, fmt.Errorf("addresses of people: %w", err)
	}
	wide := make(map[string][]string, len(states))
	for i := range states {
		m := &states[i].Send
		all := addressesOf(&m.Recipient)
		for _, a := range known[m.ContactID] {
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
		wide[m.ID] = all
	}
	return wide, nil
}

// A met is a person whom an address names.
type met struct {
	mode survey.Mode
	survey.Candidate
}

// meetAhead adds to known what will be known of a person once their contact is written: it may be one with a contact that is there,
// by the same rule.
func (s *Store) meetAhead(ctx context.Context, states []survey.State, known map[string][]string) error {
	var addresses []string
	for i := range states {
		if m := &states[i].Send; known[m.ContactID] == nil {
			addresses = append(addresses, addressesOf(&m.Recipient)...)
		}
	}
	if len(addresses) == 0 {
		return nil
	}
	slices.Sort(addresses)
	by := make(map[string][]met)
	err := in(ctx, &s.reader, selectMet, slices.Compact(addresses), func(row scanner) error {
		var value, external string
		var x met
		var at int64
		err := row.Scan(&value, (*string)(&x.mode), &x.ID, &external, &at)
		x.External, x.CreatedAt = external != "", moment(at)
		by[value] = append(by[value], x)
		return err
	})
	if err != nil || len(by) == 0 {
		return err
	}
	joined := make(map[string][]string) // contact of a send → contacts that it will be one with
	var others []string
	for i := range states {
		m := &states[i].Send
		if known[m.ContactID] != nil || joined[m.ContactID] != nil {
			continue
		}
		joined[m.ContactID] = sameAs(m, by)
		others = append(others, joined[m.ContactID]...)
	}
	theirs, err := addressesOfPerson(ctx, &s.reader, others)
	if err != nil {
		return err
	}
	for id, contacts := range joined {
		for _, other := range contacts {
			known[id] = append(known[id], theirs[other]...)
		}
	}
	return nil
}

// sameAs gives the contacts that the new contact of a send will be one person with.
func sameAs(m *survey.Send, by map[string][]met) []string {
	all := []survey.Candidate{{ID: m.ContactID, External: m.Recipient.ExternalID != "", CreatedAt: m.CreatedAt}}
	for _, a := range addressesOf(&m.Recipient) {
		for _, x := range by[a] {
			if x.mode == m.Mode && !slices.ContainsFunc(all, func(c survey.Candidate) bool { return c.ID == x.ID }) {
				all = append(all, x.Candidate)
			}
		}
	}
	if survivor, _ := survey.SamePerson(all); survivor == "" {
		return nil
	}
	ids := make([]string, 0, len(all)-1)
	for _, c := range all[1:] {
		ids = append(ids, c.ID)
	}
	return ids
}

// addressesOfPerson gives, by id of a contact, every address that is known of its person, whichever contact it was named
// with. A contact that is not written yet has none.
func addressesOfPerson(ctx context.Context, q querier, contactIDs []string) (map[string][]string, error) {
	ids := slices.Clone(contactIDs)
	slices.Sort(ids)
	found := make(map[string][]string, len(ids))
	err := in(ctx, q, selectKnown, slices.Compact(ids), func(row scanner) error {
		var id, known string
		if err := row.Scan(&id, &known); err != nil {
			return err
		}
		for _, x := range identitiesOf(known) {
			if !slices.Contains(found[id], x.Value) { // a list that was filled up names a contact twice
				found[id] = append(found[id], x.Value)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("addresses of people: %w", err)
	}
	return found, nil
}
