package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	selectSendsOfContacts = `SELECT id FROM sends WHERE id >= $1 AND contact_id IN (%s)`

	forgetAttempts = `UPDATE attempts SET address = '' WHERE address <> '' AND send_id IN (%s)`

	forgetContact = `
UPDATE contacts SET external_id = '', email = '', phone = '', viber_id = '', name = '', known = '', erased_at = $2 WHERE id = $1`

	deleteIdentities = `DELETE FROM identities WHERE value = $1 AND mode = $2 AND contact_id = $3`
	selectSharers    = `SELECT value, mode, contact_id FROM identities WHERE value IN (%s)`

	deleteThread = `DELETE FROM threads WHERE address = $1 AND mode = $2`

	// The words of consents are part of their key, so that they are written anew.
	selectConsentsOf   = `SELECT contact_id, mode, basis, source, at, channel, send_id, actor, recorded_at FROM consents WHERE contact_id IN (%s)`
	deleteConsents     = `DELETE FROM consents WHERE contact_id = $1`
	updateContactEvent = `UPDATE contact_events SET data = $3 WHERE contact_id = $1 AND id = $2`

	deleteSuppressed  = `DELETE FROM suppressions WHERE address = $1 AND mode = $2`
	deleteSandbox     = `DELETE FROM sandbox_messages WHERE id = $1`
	selectSandboxOf   = `SELECT id, doc FROM sandbox_messages WHERE phone IN (%s)`
	selectDecisions   = `SELECT send_id, id, data FROM ledger WHERE data LIKE '%"decision":%' AND send_id IN (%s)`
	updateLedger      = `UPDATE ledger SET data = $3 WHERE send_id = $1 AND id = $2`
	selectLedgerHeard = `SELECT data FROM ledger WHERE type = 'reply.received' AND send_id IN (%s)`
)

// A trace is where a person is to be found beside their contacts.
type trace struct {
	*whole
	addresses []string // of the contacts and of all sends
	mine      []string // of them, those that nobody else has
	words     []string // name, external ids and addresses
	sends     []string
	senders   map[string]bool   // of the attempts
	heard     map[string]bool   // raw requests with a reply to one of the sends
	messages  map[string]string // of sandbox phones, by id
}

// trace finds everything of one person but what only the inbox knows, which is a search of its own.
func (s *Store) trace(ctx context.Context, mode survey.Mode, id string) (*trace, error) {
	from, owed, err := s.owedContacts(ctx) // first: what a writer catches up with meanwhile is read twice, and not missed
	if err != nil {
		return nil, err
	}
	p, err := loadPerson(ctx, &s.reader, mode, id)
	if err != nil {
		return nil, err
	}
	tr := &trace{whole: p, sends: p.sends, senders: map[string]bool{}, heard: map[string]bool{}, messages: map[string]string{}}
	if p.full {
		from = ""
	}
	if p.full || owed {
		found, err := s.sendsOf(ctx, from, p.contacts)
		if err != nil {
			return nil, err
		}
		tr.sends = newestOnce(append(slices.Clone(tr.sends), found...))
	}
	states, err := s.load(ctx, &s.reader, tr.sends, "")
	if err != nil {
		return nil, err
	}
	for _, x := range p.Identities {
		tr.word(x.Value, x.Channel() != "")
	}
	tr.word(p.Name, false)
	for _, st := range states {
		r := st.Send.Recipient
		tr.word(r.Name, false)
		for _, x := range r.Identities() {
			tr.word(x.Value, x.Channel() != "")
		}
		for _, a := range st.Attempts {
			tr.word(a.Address, true)
			tr.senders[a.Sender] = true
		}
		tr.word(st.Send.Thread.Address, true)
	}
	if tr.mine, err = s.unshared(ctx, p, tr.addresses); err != nil {
		return nil, err
	}
	if err := s.traceSandbox(ctx, tr); err != nil {
		return nil, err
	}
	return tr, s.traceReplies(ctx, tr)
}

func (tr *trace) word(w string, address bool) {
	if w != "" && !slices.Contains(tr.words, w) {
		tr.words = append(tr.words, w)
	}
	if w != "" && address && !slices.Contains(tr.addresses, w) {
		tr.addresses = append(tr.addresses, w)
	}
}

// sendsOf reads the sends from an id on, for those that the rows of contacts do not list.
func (s *Store) sendsOf(ctx context.Context, from string, contacts []string) ([]string, error) {
	var ids []string
	err := inAfter(ctx, &s.reader, selectSendsOfContacts, []any{from}, contacts, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

func newestOnce(ids []string) []string {
	slices.Sort(ids)
	slices.Reverse(ids)
	return slices.Compact(ids)
}

// unshared gives the addresses that name no other contact of the mode: what is kept under the others is of somebody else too.
func (s *Store) unshared(ctx context.Context, p *whole, addresses []string) ([]string, error) {
	shared := map[string]bool{}
	err := in(ctx, &s.reader, selectSharers, addresses, func(row scanner) error {
		var value, mode, id string
		err := row.Scan(&value, &mode, &id)
		shared[value] = shared[value] || mode == string(p.Mode) && !slices.Contains(p.contacts, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("who shares an address: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(addresses), func(a string) bool { return shared[a] }), nil
}

// traceSandbox finds what the phones of the sandbox show of the person.
func (s *Store) traceSandbox(ctx context.Context, tr *trace) error {
	err := in(ctx, &s.reader, selectSandboxOf, tr.addresses, func(row scanner) error {
		var id, doc string
		if err := row.Scan(&id, &doc); err != nil {
			return err
		}
		var m struct {
			To     string `json:"to"`
			SendID string `json:"send_id"`
		}
		if err := decodeJSON(doc, &m); err != nil {
			return err
		}
		if slices.Contains(tr.mine, m.To) || slices.Contains(tr.sends, m.SendID) {
			tr.messages[id] = doc
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("messages of the sandbox: %w", err)
	}
	return nil
}

// traceReplies finds the raw requests that the sends took a reply from.
func (s *Store) traceReplies(ctx context.Context, tr *trace) error {
	err := in(ctx, &s.reader, selectLedgerHeard, tr.sends, func(row scanner) error {
		var data string
		if err := row.Scan(&data); err != nil {
			return err
		}
		var e struct {
			Inbound string `json:"inbound"`
		}
		err := decodeJSON(data, &e)
		tr.heard[e.Inbound] = true
		return err
	})
	if err != nil {
		return fmt.Errorf("replies of a person: %w", err)
	}
	return nil
}

// EraseContact forgets a person: addresses, names, words and raw requests go, ids, scores, times and codes stay, sends
// that are still to be sent are cancelled, and suppressions go on holding under a keyed hash of the address. Doing it
// again erases what came since. survey.ErrNotFound when there is no such contact; survey.ErrUnavailable as Person has it.
//
// It is done in several commits; when one fails, doing it again goes on. A raw request that is not read yet is read first, for
// others may be in it too, and is forgotten then. Of a large inbox only the first part is looked through at once, the rest
// afterwards (Erasure.Pending).
func (s *Store) EraseContact(ctx context.Context, mode survey.Mode, id, actor string, now time.Time) (survey.Erasure, error) {
	if err := s.flushContacts(ctx); err != nil {
		return survey.Erasure{}, err
	}
	tr, err := s.trace(ctx, mode, id)
	if err != nil {
		return survey.Erasure{}, s.nobody(ctx, err)
	}
	q, err := s.searchFor(ctx, tr)
	if err != nil {
		return survey.Erasure{}, err
	}
	done := survey.Erasure{ContactID: tr.ID, Sends: len(tr.sends), Messages: len(tr.messages)}
	// The inbox first: a STOP that is read from now on is kept under the hash, one from before is found below.
	if done.Inbound, done.Pending, err = s.forgetSoon(ctx, q); err != nil {
		return done, err
	}
	if err := s.eraseSends(ctx, tr, actor, now, &done); err != nil {
		return done, err
	}
	worded, err := s.wordedDecisions(ctx, tr)
	if err != nil {
		return done, err
	}
	err = s.other(ctx, func(ctx context.Context, t *tx) error {
		for _, e := range worded {
			if err := t.later(ctx, updateLedger, e.sendID, e.id, e.data); err != nil {
				return fmt.Errorf("erase decision: %w", err)
			}
		}
		return s.eraseRest(ctx, t, tr, actor, now, &done)
	})
	return done, err
}

// wordedDecisions gives the events with decisions that hold what people wrote, without it. Those of today hold none.
func (s *Store) wordedDecisions(ctx context.Context, tr *trace) ([]ledgerRow, error) {
	var rows []ledgerRow
	err := in(ctx, &s.reader, selectDecisions, tr.sends, func(row scanner) error {
		var r ledgerRow
		if err := row.Scan(&r.sendID, &r.id, &r.data); err != nil {
			return err
		}
		var e survey.Event
		if err := decodeJSON(r.data, &e.Data); err != nil {
			return err
		}
		if !survey.ForgetDecision(&e, tr.words) {
			return nil
		}
		var err error
		r.data, err = encodeData(e.Data)
		rows = append(rows, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("decisions about a person: %w", err)
	}
	return rows, nil
}

// eraseRest takes a person out of all but the sends and the inbox.
func (s *Store) eraseRest(ctx context.Context, t *tx, tr *trace, actor string, now time.Time, done *survey.Erasure) error {
	n, err := s.eraseAddresses(ctx, t, tr)
	if err != nil {
		return err
	}
	done.Suppressions = n
	for id := range tr.messages {
		if err := t.later(ctx, deleteSandbox, id); err != nil {
			return fmt.Errorf("erase message: %w", err)
		}
	}
	none := func(scanner) error { return nil }
	if err := in(ctx, t, forgetAttempts, tr.sends, none); err != nil {
		return fmt.Errorf("erase attempts: %w", err)
	}
	if err := eraseWords(ctx, t, tr); err != nil {
		return err
	}
	for _, c := range tr.contacts {
		if err := t.later(ctx, forgetContact, c, micros(now)); err != nil {
			return fmt.Errorf("erase contact: %w", err)
		}
	}
	return writeContactEvents(ctx, t, []contactEvent{{tr.ID, tr.Mode, survey.ContactErased, actor, micros(now), map[string]any{
		"sends": done.Sends, "cancelled": done.Cancelled, "suppressions": done.Suppressions,
	}}})
}

// eraseWords takes what people wrote in their own words out of consents and out of the ledger of the contacts. What programs
// wrote stays.
func eraseWords(ctx context.Context, t *tx, tr *trace) error {
	var kept []consentOf
	err := in(ctx, t, selectConsentsOf, tr.contacts, func(row scanner) error {
		var c consentOf
		var at, recorded int64
		err := row.Scan(&c.contact, (*string)(&c.mode), &c.Basis, &c.Source, &at, (*string)(&c.Channel), &c.SendID, &c.Actor, &recorded)
		c.At, c.RecordedAt = moment(at), moment(recorded)
		c.Basis, c.Source = survey.Code(c.Basis, tr.words), ""
		kept = append(kept, c)
		return err
	})
	if err != nil {
		return fmt.Errorf("select consents: %w", err)
	}
	for _, c := range tr.contacts {
		if err := t.later(ctx, deleteConsents, c); err != nil {
			return fmt.Errorf("erase consents: %w", err)
		}
	}
	if err := writeConsents(ctx, t, kept); err != nil {
		return err
	}
	events, err := contactEventsOf(ctx, t, tr.contacts)
	if err != nil {
		return fmt.Errorf("events of a person: %w", err)
	}
	for _, e := range events {
		survey.ForgetEvent(&e, tr.words)
		data, err := encodeData(e.Data)
		if err != nil {
			return fmt.Errorf("encode event of contact: %w", err)
		}
		if err := t.later(ctx, updateContactEvent, e.ContactID, e.ID, data); err != nil {
			return fmt.Errorf("erase event of contact: %w", err)
		}
	}
	return nil
}

// eraseSends ends and empties the sends, many in one commit.
func (s *Store) eraseSends(ctx context.Context, tr *trace, actor string, now time.Time, done *survey.Erasure) error {
	var mu sync.Mutex
	var faults []error
	for part := range slices.Chunk(tr.sends, 64) {
		var running sync.WaitGroup
		for _, id := range part {
			running.Go(func() {
				var was survey.Status
				after, err := s.Apply(ctx, id, func(st *survey.State) error {
					was = st.Send.Status
					survey.Erase(st, actor, tr.words, now)
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, survey.ErrNotFound):
				case err != nil:
					faults = append(faults, fmt.Errorf("erase send %s: %w", id, err))
				case !was.Final() && after.Send.Status == survey.Cancelled:
					done.Cancelled++
				}
				if after.Response != nil {
					done.Answers += len(after.Response.Answers)
				}
			})
		}
		running.Wait()
		if len(faults) > 0 {
			return errors.Join(faults...)
		}
	}
	return nil
}

// eraseAddresses takes the addresses out of what is found by them, and gives how many suppressions go on under a hash.
func (s *Store) eraseAddresses(ctx context.Context, t *tx, tr *trace) (suppressions int, err error) {
	for _, a := range tr.addresses {
		for _, c := range tr.contacts {
			if err := t.later(ctx, deleteIdentities, clean(a), string(tr.Mode), c); err != nil {
				return 0, fmt.Errorf("erase identity: %w", err)
			}
		}
	}
	for _, a := range slices.Concat(tr.mine, tr.contacts) { // a contact has a history as an address has
		if err := t.later(ctx, deleteThread, clean(a), string(tr.Mode)); err != nil {
			return 0, fmt.Errorf("erase thread: %w", err)
		}
	}
	for _, a := range tr.mine {
		var kept []survey.Suppression
		err := in(ctx, t, selectSuppressed, []string{clean(a)}, func(row scanner) error {
			p, err := scanSuppression(row)
			if p.Mode == tr.Mode {
				p.Address, p.Reason = s.erasedAddress(p.Address), survey.StopReason(p.Reason)
				kept = append(kept, p)
			}
			return err
		})
		if err == nil {
			err = writeSuppressions(ctx, t, kept)
		}
		if err == nil {
			err = t.later(ctx, deleteSuppressed, clean(a), string(tr.Mode))
		}
		if err != nil {
			return 0, fmt.Errorf("hash suppression: %w", err)
		}
		suppressions += len(kept)
	}
	return suppressions, nil
}
