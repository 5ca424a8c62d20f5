package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
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
const contactsKept = 512

// A contact is a person as the last send named them. Contacts follow from sends, and their keys are spread over the
// whole index: written with each single send, they would cost more than the send itself. So a writer keeps them back
// until those of many sends go into one transaction, or nothing else is to be done; Open adds what a crash lost.
type contact struct {
	mode                                    survey.Mode
	brand, actor                            string
	externalID, email, phone, viberID, name string
	at                                      int64
}

// kept are the contacts that wait, and for how many sends.
type kept struct {
	contacts map[string]contact
	sends    int
}

// keepContacts keeps the contacts of accepted sends back, or writes them with all that were kept.
func keepContacts(ctx context.Context, t *tx, rows []acceptRow) error {
	for _, r := range rows {
		m := r.send()
		old, ok := t.fresh.contacts[m.ContactID]
		if !ok {
			old = t.kept.contacts[m.ContactID]
		}
		p := m.Recipient
		t.fresh.contacts[m.ContactID] = contact{
			m.Mode, m.Brand, m.Actor, cmp.Or(p.ExternalID, old.externalID), cmp.Or(p.Email, old.email), cmp.Or(p.Phone, old.phone),
			cmp.Or(p.ViberID, old.viberID), cmp.Or(p.Name, old.name), micros(m.CreatedAt),
		}
	}
	t.fresh.sends += len(rows)
	if t.fresh.sends+t.kept.sends < contactsKept {
		return nil
	}
	return writeContacts(ctx, t)
}

// writeContacts writes all contacts that wait. When the transaction is committed, none does.
func writeContacts(ctx context.Context, t *tx) error {
	all := maps.Clone(t.kept.contacts)
	maps.Copy(all, t.fresh.contacts)
	t.wrote = true
	return insertContactsOf(ctx, t, all)
}

// ContactID is the id of a person as the caller named them: the same for the first of external id, phone, email and
// Viber id that is there.
func ContactID(mode survey.Mode, r survey.Recipient) string {
	kind, value := "x", r.ExternalID
	if value == "" {
		kind, value = "p", r.Phone
	}
	if value == "" {
		kind, value = "e", r.Email
	}
	if value == "" {
		kind, value = "v", r.ViberID
	}
	sum := sha256.Sum256([]byte(string(mode) + "\x00" + kind + "\x00" + clean(value)))
	return survey.IDOf("con_", [16]byte(sum[:16]))
}

// insertContactsOf writes contacts in one order everywhere: two writers never wait for each other in a circle.
func insertContactsOf(ctx context.Context, t *tx, contacts map[string]contact) error {
	ids := make([]string, 0, len(contacts))
	for id := range contacts {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, strings.Compare)
	err := t.insert(ctx, insertContacts, insertContactsShape, len(ids), func(args []any, i int) []any {
		c := contacts[ids[i]]
		return append(args, ids[i], string(c.mode), c.brand, c.externalID, c.email, c.phone, c.viberID, c.name, c.actor, c.at, c.at)
	}, nil)
	if err != nil {
		return fmt.Errorf("insert contacts: %w", err)
	}
	return nil
}
