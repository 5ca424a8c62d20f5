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
INSERT INTO contacts (id, mode, brand, external_id, email, phone, viber_id, name, actor, created_at, updated_at, known, sends)
VALUES %s
ON CONFLICT (id) DO UPDATE SET
external_id = CASE WHEN excluded.external_id = '' THEN contacts.external_id ELSE excluded.external_id END,
email = CASE WHEN excluded.email = '' THEN contacts.email ELSE excluded.email END,
phone = CASE WHEN excluded.phone = '' THEN contacts.phone ELSE excluded.phone END,
viber_id = CASE WHEN excluded.viber_id = '' THEN contacts.viber_id ELSE excluded.viber_id END,
name = CASE WHEN excluded.name = '' THEN contacts.name ELSE excluded.name END,
brand = excluded.brand, actor = excluded.actor, updated_at = excluded.updated_at, known = contacts.known || excluded.known,
sends = CASE WHEN length(contacts.sends) < 27000 THEN contacts.sends || excluded.sends ELSE contacts.sends END`
	insertContactsShape = "ttttttttttttt"

	// sendsFull is the length of a list of sends that is no longer added to; the statements have it too.
	sendsFull = 27000

	selectIdentities = `SELECT value, kind, mode, contact_id FROM identities WHERE value IN (%s)`

	insertIdentities = `
INSERT INTO identities (value, kind, mode, contact_id)
VALUES %s
ON CONFLICT DO NOTHING`
	insertIdentitiesShape = "tttt"
)

// contactsKept is for how many sends contacts are kept back.
const contactsKept = 256

// A contact is a person as one send named them. Contacts follow from sends, and their keys are spread over several
// indexes: written with each send, they would cost more than the send itself. So a writer keeps them back until there is
// a pause; when more come in than can be kept, it notes from where on, and reads them back from the sends in the pauses
// that follow. Open adds what a crash lost, from the marks of writers in settings on.
type contact struct {
	id                                      string
	mode                                    survey.Mode
	brand, actor                            string
	externalID, email, phone, viberID, name string
	since, at                               int64             // of the first and the last send
	first, sends                            string            // its first send; ids of all, with a space behind each
	more                                    []survey.Identity // of earlier sends, where later ones have others
	consents                                []survey.ConsentRecord
	known                                   string // lines that the row does not have yet
}

// newContact is the person of a send.
func newContact(m *survey.Send) contact {
	p := &m.Recipient
	c := contact{
		id: m.ContactID, mode: m.Mode, brand: m.Brand, actor: m.Actor, externalID: p.ExternalID, email: p.Email, phone: p.Phone,
		viberID: p.ViberID, name: p.Name, since: micros(m.CreatedAt), at: micros(m.CreatedAt), first: m.ID, sends: m.ID + " ",
	}
	if m.Consent != nil {
		c.consents = []survey.ConsentRecord{{
			Basis: m.Consent.Basis, Source: m.Consent.Source, At: m.Consent.At, SendID: m.ID, Actor: m.Actor, RecordedAt: m.CreatedAt,
		}}
	}
	return c
}

// addresses calls fn for each id but the external one: those are what people may share.
func (c *contact) addresses(fn func(survey.Identity)) {
	for _, x := range [...]survey.Identity{{Kind: survey.ByEmail, Value: c.email}, {Kind: survey.ByPhone, Value: c.phone}, {Kind: survey.ByViberID, Value: c.viberID}} {
		if x.Value != "" {
			fn(x)
		}
	}
	for _, x := range c.more {
		fn(x)
	}
}

// keepContacts keeps the contacts of accepted sends back, or leaves them to the backlog with all that were kept.
func keepContacts(ctx context.Context, t *tx, rows []acceptRow) error {
	for _, r := range rows {
		if m := r.send(); t.behind.from == "" || m.ID < t.behind.from {
			t.fresh = append(t.fresh, newContact(m))
		}
	}
	if t.behind.from != "" && !t.behind.noted { // since a commit was lost
		if err := t.noteBehind(ctx); err != nil {
			return err
		}
	}
	if len(t.kept)+len(t.fresh) < contactsKept {
		return t.noteKept(ctx)
	}
	if t.behind.from != "" { // with earlier ids than those that are caught up with
		return writeContacts(ctx, t)
	}
	return t.leaveBehind(ctx)
}

// writeContacts writes all contacts that wait. When the transaction is committed, none does.
func writeContacts(ctx context.Context, t *tx) error {
	if t.wrote { // with what was accepted in this transaction
		return nil
	}
	t.wrote = true
	if err := t.endKept(ctx); err != nil {
		return err
	}
	return putContacts(ctx, t, slices.Concat(t.kept, t.fresh))
}

// putContacts writes contacts with their ids and consents, and merges those that turn out to be one person.
//
// They go in one order everywhere: two writers never wait for each other in a circle.
func putContacts(ctx context.Context, t *tx, all []contact) error {
	once := eachOnce(all)
	meetings, err := putIdentities(ctx, t, once)
	if err != nil {
		return err
	}
	err = t.insert(ctx, insertContacts, insertContactsShape, len(once), func(args []any, i int) []any {
		c := once[i]
		return append(args, c.id, string(c.mode), c.brand, c.externalID, c.email, c.phone, c.viberID, c.name, c.actor, c.since, c.at, c.known, c.sends)
	}, nil)
	if err != nil {
		return fmt.Errorf("insert contacts: %w", err)
	}
	if err := putConsents(ctx, t, once); err != nil {
		return err
	}
	return meet(ctx, t, meetings)
}

// eachOnce joins the contacts of one id, in the order of ids.
func eachOnce(all []contact) []*contact {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(strings.Compare(all[a].id, all[b].id), a-b) })
	once := make([]*contact, 0, len(all))
	for _, i := range order {
		c := &all[i]
		if n := len(once); n > 0 && once[n-1].id == c.id {
			c.complete(once[n-1])
			once[n-1] = c
			continue
		}
		once = append(once, c)
	}
	return once
}

// complete fills in what an earlier send named and this one did not.
func (c *contact) complete(old *contact) {
	c.more = append(c.more, old.more...)
	for _, x := range [...]struct {
		kind     string
		now, was *string
	}{{survey.ByEmail, &c.email, &old.email}, {survey.ByPhone, &c.phone, &old.phone}, {survey.ByViberID, &c.viberID, &old.viberID}} {
		switch *x.now {
		case *x.was:
		case "":
			*x.now = *x.was
		default:
			if *x.was != "" {
				c.more = append(c.more, survey.Identity{Kind: x.kind, Value: *x.was})
			}
		}
	}
	c.externalID, c.name = cmp.Or(c.externalID, old.externalID), cmp.Or(c.name, old.name)
	c.since, c.at = min(c.since, old.since), max(c.at, old.at)
	c.sends = old.sends + c.sends
	c.consents = append(old.consents, c.consents...)
}
