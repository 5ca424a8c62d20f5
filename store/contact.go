package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/odziv/odziv/survey"
)

const (
	insertContacts = `
INSERT INTO contacts (id, mode, brand, external_id, email, phone, viber_id, name, actor, created_at, updated_at)
VALUES %s
ON CONFLICT (id) DO UPDATE SET
external_id = CASE WHEN excluded.external_id = '' THEN contacts.external_id ELSE excluded.external_id END,
email = CASE WHEN excluded.email = '' THEN contacts.email ELSE excluded.email END,
phone = CASE WHEN excluded.phone = '' THEN contacts.phone ELSE excluded.phone END,
viber_id = CASE WHEN excluded.viber_id = '' THEN contacts.viber_id ELSE excluded.viber_id END,
name = CASE WHEN excluded.name = '' THEN contacts.name ELSE excluded.name END,
brand = excluded.brand, actor = excluded.actor, updated_at = excluded.updated_at
WHERE (contacts.external_id <> excluded.external_id AND excluded.external_id <> '')
OR (contacts.email <> excluded.email AND excluded.email <> '')
OR (contacts.phone <> excluded.phone AND excluded.phone <> '')
OR (contacts.viber_id <> excluded.viber_id AND excluded.viber_id <> '')
OR (contacts.name <> excluded.name AND excluded.name <> '')`
	insertContactsShape = "ttttttttttt"

	// healContacts adds the contacts of the latest sends that a crash kept from being written.
	healContacts = `
INSERT INTO contacts (id, mode, brand, external_id, email, phone, viber_id, name, actor, created_at, updated_at)
SELECT s.contact_id, s.mode, s.brand, '', s.email, s.phone, s.viber_id, '', s.actor, s.created_at, s.created_at
FROM (SELECT * FROM sends ORDER BY id DESC LIMIT $1) AS s
WHERE NOT EXISTS (SELECT 1 FROM contacts WHERE contacts.id = s.contact_id)
ON CONFLICT (id) DO NOTHING`
)

// contactsKept is for how many sends contacts are kept back.
const contactsKept = 4096

// A contact is a person as one send named them. Contacts follow from sends, and their keys are spread over the whole
// index: written with each single send, they would cost more than the send itself. So a writer keeps them back until
// those of many sends go into one transaction, or nothing else is to be done; Open adds what a crash lost.
type contact struct {
	id                                      string
	mode                                    survey.Mode
	brand, actor                            string
	externalID, email, phone, viberID, name string
	at                                      int64
}

// keepContacts keeps the contacts of accepted sends back, or writes them with all that were kept.
func keepContacts(ctx context.Context, t *tx, rows []acceptRow) error {
	for _, r := range rows {
		m := r.send()
		p := &m.Recipient
		t.fresh = append(t.fresh, contact{
			m.ContactID, m.Mode, m.Brand, m.Actor, p.ExternalID, p.Email, p.Phone, p.ViberID, p.Name, micros(m.CreatedAt),
		})
	}
	if len(t.kept)+len(t.fresh) < contactsKept {
		return nil
	}
	return writeContacts(ctx, t)
}

// writeContacts writes all contacts that wait. When the transaction is committed, none does.
//
// They go in one order everywhere: two writers never wait for each other in a circle.
func writeContacts(ctx context.Context, t *tx) error {
	t.wrote = true
	all := slices.Concat(t.kept, t.fresh)
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(strings.Compare(all[a].id, all[b].id), a-b) })
	once := order[:0]
	for _, i := range order {
		if n := len(once); n > 0 && all[once[n-1]].id == all[i].id {
			all[i].complete(&all[once[n-1]])
			once[n-1] = i
			continue
		}
		once = append(once, i)
	}
	err := t.insert(ctx, insertContacts, insertContactsShape, len(once), func(args []any, i int) []any {
		c := &all[once[i]]
		return append(args, c.id, string(c.mode), c.brand, c.externalID, c.email, c.phone, c.viberID, c.name, c.actor, c.at, c.at)
	}, nil)
	if err != nil {
		return fmt.Errorf("insert contacts: %w", err)
	}
	return nil
}

// complete fills in what an earlier send named and this one did not.
func (c *contact) complete(old *contact) {
	c.externalID, c.email, c.phone = cmp.Or(c.externalID, old.externalID), cmp.Or(c.email, old.email), cmp.Or(c.phone, old.phone)
	c.viberID, c.name = cmp.Or(c.viberID, old.viberID), cmp.Or(c.name, old.name)
}
