package store

import (
	"context"
	"fmt"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	// The same consent of many sends is one record, of the first of them.
	insertConsents = `
INSERT INTO consents (contact_id, mode, basis, source, at, channel, send_id, actor, recorded_at)
VALUES %s
ON CONFLICT DO NOTHING`
	insertConsentsShape = "ttttttttt"

	selectConsents = `SELECT basis, source, at, channel, send_id, actor, recorded_at FROM consents WHERE contact_id IN (%s)`
)

// A consentOf is a record and whose it is.
type consentOf struct {
	contact string
	mode    survey.Mode
	survey.ConsentRecord
}

// putConsents keeps the consents that came with sends.
func putConsents(ctx context.Context, t *tx, all []*contact) error {
	var rows []consentOf
	for _, c := range all {
		for i, r := range c.consents {
			same := func(x survey.ConsentRecord) bool {
				return x.Basis == r.Basis && x.Source == r.Source && x.At.Equal(r.At)
			}
			if i > 0 && same(c.consents[i-1]) {
				continue
			}
			rows = append(rows, consentOf{c.id, c.mode, r})
		}
	}
	return writeConsents(ctx, t, rows)
}

// stopWithdrawn stops everything for those who took consent back with a send that is accepted now, as if they had done so by the API. It does
// not wait for contacts to be written: the next message may be due before. And it is done once: what is read back of sends later, when it may
// have been lifted, stops nothing.
func stopWithdrawn(ctx context.Context, t *tx, rows []acceptRow) error {
	var stops []survey.Suppression
	for _, r := range rows {
		m := r.send()
		if m.Consent == nil || !survey.Withdraws(m.Consent.Basis) {
			continue
		}
		c := newContact(m)
		c.addresses(func(x survey.Identity) {
			stops = append(stops, stopOf(c.mode, x, c.consents[0]))
		})
	}
	return writeSuppressions(ctx, t, stops)
}

func writeConsents(ctx context.Context, t *tx, rows []consentOf) error {
	err := t.insert(ctx, insertConsents, insertConsentsShape, len(rows), func(args []any, i int) []any {
		r := &rows[i]
		return append(args, r.contact, string(r.mode), clean(r.Basis), clean(r.Source), micros(r.At), string(r.Channel), r.SendID, r.Actor,
			micros(r.RecordedAt))
	}, nil)
	if err != nil {
		return fmt.Errorf("insert consents: %w", err)
	}
	return nil
}

// stopOf is the suppression of an address of a person who took consent back.
func stopOf(mode survey.Mode, x survey.Identity, r survey.ConsentRecord) survey.Suppression {
	scope, channel := survey.ScopeAll, x.Channel()
	if r.Channel != "" {
		scope, channel = survey.ScopeChannel, r.Channel
	}
	return survey.Suppression{
		Mode: mode, Channel: channel, Address: clean(x.Value), Scope: scope, Reason: r.Basis, Source: r.Actor, SendID: r.SendID, At: stored(r.RecordedAt),
	}
}

// RecordConsent keeps what a person said about being asked; one that takes consent back suppresses every address of
// the person in the same commit, on its channel when it names one. At zero is now. survey.ErrNotFound when there is no
// such contact; survey.ErrUnavailable as Person has it.
func (s *Store) RecordConsent(ctx context.Context, mode survey.Mode, contactID string, r survey.ConsentRecord) error {
	if r.RecordedAt.IsZero() {
		r.RecordedAt = s.now()
	}
	if r.At.IsZero() {
		r.At = r.RecordedAt
	}
	if err := s.flushContacts(ctx); err != nil {
		return err
	}
	err := s.other(ctx, func(ctx context.Context, t *tx) error {
		p, err := loadPerson(ctx, t, mode, contactID)
		if err != nil {
			return err
		}
		if err := writeConsents(ctx, t, []consentOf{{p.ID, mode, r}}); err != nil {
			return err
		}
		events := []contactEvent{{
			p.ID, mode, survey.ContactConsent, r.Actor, micros(r.RecordedAt), map[string]any{"basis": r.Basis, "channel": string(r.Channel)},
		}}
		var stops []survey.Suppression
		if survey.Withdraws(r.Basis) {
			for _, x := range p.Identities {
				if reaches(x, r.Channel) {
					stops = append(stops, stopOf(mode, x, r))
				}
			}
			if len(stops) > 0 {
				events = append(events, contactEvent{
					p.ID, mode, survey.ContactSuppressed, r.Actor, micros(r.RecordedAt), map[string]any{"scope": stops[0].Scope, "reason": r.Basis},
				})
			}
		}
		if err := writeSuppressions(ctx, t, stops); err != nil {
			return err
		}
		return writeContactEvents(ctx, t, events)
	})
	return s.nobody(ctx, err)
}

// reaches reports whether an id is an address of a channel; of any when the channel is "".
func reaches(x survey.Identity, c survey.Channel) bool {
	return x.Channel() != "" && (c == "" || x.Channel() == c || c == survey.Viber && x.Kind == survey.ByPhone)
}

// consentsOf lists the consents of contacts, newest first.
func consentsOf(ctx context.Context, q querier, ids []string) ([]survey.ConsentRecord, error) {
	var all []survey.ConsentRecord
	err := in(ctx, q, selectConsents, ids, func(row scanner) error {
		var r survey.ConsentRecord
		var at, recorded int64
		err := row.Scan(&r.Basis, &r.Source, &at, (*string)(&r.Channel), &r.SendID, &r.Actor, &recorded)
		r.At, r.RecordedAt = moment(at), moment(recorded)
		all = append(all, r)
		return err
	})
	return newestFirst(all, func(r survey.ConsentRecord) time.Time { return r.RecordedAt }), err
}
