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
	suppressionColumns = `mode, channel, address, scope, subject, reason, source, send_id, at`

	selectSuppressed = `SELECT ` + suppressionColumns + ` FROM suppressions WHERE address IN (%s)`

	selectSuppressedOf = `SELECT ` + suppressionColumns + ` FROM suppressions WHERE address = $1 AND mode = $2
ORDER BY channel, scope, subject`

	selectSuppressions = `SELECT ` + suppressionColumns + ` FROM suppressions WHERE mode = $1 AND address > $2
ORDER BY address, channel, scope, subject LIMIT $3`

	// What was said first stays; but how long ago an address did not reach anybody counts, so that one is renewed.
	insertSuppressions = `
INSERT INTO suppressions (` + suppressionColumns + `)
VALUES %s
ON CONFLICT (address, channel, mode, scope, subject) DO UPDATE SET reason = excluded.reason, source = excluded.source,
send_id = excluded.send_id, at = excluded.at
WHERE suppressions.scope = 'unreachable' AND excluded.at > suppressions.at`
	insertSuppressionsShape = "ttttttttt"

	deleteSuppression = `DELETE FROM suppressions WHERE address = $1 AND channel = $2 AND mode = $3 AND scope = $4 AND subject = $5`

	liftSuppressions = `DELETE FROM suppressions WHERE address = $1 AND channel = $2 AND mode = $3
AND ($4 = '' AND scope <> 'unreachable' OR scope = $4 AND subject = $5) RETURNING ` + suppressionColumns

	// As survey.Suppression.LiftedBy has it.
	liftByWord = `DELETE FROM suppressions WHERE address = $1 AND channel = $2 AND mode = $3
AND (reason IN ('` + survey.SaidStop + `', '` + survey.SaidProvider + `') OR scope = '` + survey.ScopeUnreachable + `') AND at <= $4 RETURNING ` + suppressionColumns
)

func scanSuppression(rows scanner) (survey.Suppression, error) {
	var p survey.Suppression
	var at int64
	err := rows.Scan((*string)(&p.Mode), (*string)(&p.Channel), &p.Address, &p.Scope, &p.Subject, &p.Reason, &p.Source, &p.SendID, &at)
	p.At = moment(at)
	return p, err
}

// suppressedBy gives the suppressions of addresses, of both modes.
func (s *Store) suppressedBy(ctx context.Context, q querier, addresses []string) (map[string][]survey.Suppression, error) {
	keys, asked := s.askedFor(addresses)
	slices.Sort(keys)
	var by map[string][]survey.Suppression
	err := in(ctx, q, selectSuppressed, slices.Compact(keys), func(rows scanner) error {
		p, err := scanSuppression(rows)
		p.Address = asked[p.Address]
		if by == nil {
			by = map[string][]survey.Suppression{}
		}
		by[p.Address] = append(by[p.Address], p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("select suppressions: %w", err)
	}
	for _, all := range by {
		slices.SortFunc(all, compareSuppressions)
	}
	return by, nil
}

func compareSuppressions(a, b survey.Suppression) int {
	for _, c := range [...]int{
		strings.Compare(string(a.Channel), string(b.Channel)), strings.Compare(a.Scope, b.Scope), strings.Compare(a.Subject, b.Subject),
	} {
		if c != 0 {
			return c
		}
	}
	return strings.Compare(string(a.Mode), string(b.Mode))
}

// suppressionsOf picks those of a send.
func suppressionsOf(m *survey.Send, by map[string][]survey.Suppression) []survey.Suppression {
	if len(by) == 0 {
		return nil
	}
	var of []survey.Suppression
	for _, a := range addressesOf(&m.Recipient) {
		for _, p := range by[a] {
			if p.Mode == m.Mode {
				of = append(of, p)
			}
		}
	}
	return of
}

// deleteSuppressions takes back what was kept of addresses, also under the hash of one whose person was erased.
func (s *Store) deleteSuppressions(ctx context.Context, t *tx, lifted []survey.Suppression) error {
	for _, p := range lifted {
		for _, key := range s.suppressionKeys(clean(p.Address)) {
			if err := t.later(ctx, deleteSuppression, key, string(p.Channel), string(p.Mode), p.Scope, p.Subject); err != nil {
				return fmt.Errorf("lift suppression: %w", err)
			}
		}
	}
	return nil
}

// writeSuppressions goes in one order everywhere: two writers never wait for each other in a circle.
func writeSuppressions(ctx context.Context, t *tx, added []survey.Suppression) error {
	added = distinct(added)
	if len(added) > 1 { // distinct has made a new list
		slices.SortFunc(added, func(a, b survey.Suppression) int {
			return cmp.Or(strings.Compare(a.Address, b.Address), compareSuppressions(a, b))
		})
	}
	err := t.insert(ctx, insertSuppressions, insertSuppressionsShape, len(added), func(args []any, i int) []any {
		p := added[i]
		return append(args, string(p.Mode), string(p.Channel), p.Address, p.Scope, p.Subject, p.Reason, p.Source, p.SendID, micros(p.At))
	}, nil)
	if err != nil {
		return fmt.Errorf("insert suppressions: %w", err)
	}
	return nil
}

// A suppressionKey is what there is one suppression of.
type suppressionKey struct {
	mode                    survey.Mode
	channel                 survey.Channel
	address, scope, subject string
}

func keyOf(p *survey.Suppression) suppressionKey {
	return suppressionKey{p.Mode, p.Channel, p.Address, p.Scope, p.Subject}
}

// distinct keeps one of each key, the first, or of what reaches nobody the latest: a statement cannot change a row twice.
func distinct(all []survey.Suppression) []survey.Suppression {
	if len(all) < 2 { // as with most changes of sends
		return all
	}
	kept := make([]survey.Suppression, 0, len(all))
	at := make(map[suppressionKey]int, len(all))
	for _, p := range all {
		i, there := at[keyOf(&p)]
		switch {
		case !there:
			at[keyOf(&p)] = len(kept)
			kept = append(kept, p)
		case p.Scope == survey.ScopeUnreachable && p.At.After(kept[i].At):
			kept[i] = p
		}
	}
	return kept
}

// Suppress is SuppressAll for one.
func (s *Store) Suppress(ctx context.Context, p survey.Suppression) error {
	return s.SuppressAll(ctx, []survey.Suppression{p})
}

// SuppressAll stops writing to addresses, each within its scope; none is all. It is one commit, and what is new is noted with
// the contacts of the address. Doing it again changes nothing, but an address that reaches nobody is so from the latest time on.
func (s *Store) SuppressAll(ctx context.Context, all []survey.Suppression) error {
	made := make([]survey.Suppression, len(all))
	for i, p := range all {
		if p.At.IsZero() {
			p.At = s.now()
		}
		p.Scope = cmp.Or(p.Scope, survey.ScopeAll)
		p.Address, p.Subject = clean(survey.Canonical(p.Channel, p.Address)), clean(p.Subject)
		p.Reason, p.Source = clean(p.Reason), clean(p.Source)
		made[i] = p
	}
	made = distinct(made)
	if _, err := s.flushSome(ctx); err != nil {
		return err
	}
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		made := slices.Clone(made)
		if err := s.hashForgotten(ctx, t, made); err != nil {
			return err
		}
		fresh, err := notSuppressed(ctx, t, made)
		if err == nil {
			err = writeSuppressions(ctx, t, made)
		}
		if err != nil {
			return err
		}
		return noteSuppressed(ctx, t, fresh, survey.ContactSuppressed, "")
	})
}

// notSuppressed gives those that are not kept yet.
func notSuppressed(ctx context.Context, t *tx, all []survey.Suppression) ([]survey.Suppression, error) {
	addresses := make([]string, 0, len(all))
	for i := range all {
		addresses = append(addresses, all[i].Address)
	}
	slices.Sort(addresses)
	there := map[suppressionKey]bool{}
	err := in(ctx, t, selectSuppressed, slices.Compact(addresses), func(row scanner) error {
		p, err := scanSuppression(row)
		there[keyOf(&p)] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("select suppressions: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(all), func(p survey.Suppression) bool { return there[keyOf(&p)] }), nil
}

// Lift removes what keeps an address of a channel from being written to, also when its person was erased, and notes with the
// contacts of the address who did it and why, in one commit. Without a scope it removes every one but that the address
// reaches nobody: a person does not say so; what their own word lifts is another matter. survey.ErrNotFound when there is nothing.
func (s *Store) Lift(ctx context.Context, l survey.Lift) error {
	if l.At.IsZero() {
		l.At = s.now()
	}
	address := clean(survey.Canonical(l.Channel, l.Address))
	if _, err := s.flushSome(ctx); err != nil {
		return err
	}
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		var lifted []survey.Suppression
		for _, key := range s.suppressionKeys(address) {
			text, args := liftSuppressions, []any{key, string(l.Channel), string(l.Mode), l.Scope, l.Subject}
			if l.Word {
				text, args = liftByWord, append(args[:3], micros(l.At))
			}
			err := t.each(ctx, shaped{text: text}, "", args, func(row scanner) error {
				p, err := scanSuppression(row)
				p.Address, p.Source, p.Reason, p.At = address, l.Actor, "", l.At
				lifted = append(lifted, p)
				return err
			})
			if err != nil {
				return fmt.Errorf("lift suppression: %w", err)
			}
		}
		if len(lifted) == 0 {
			return survey.ErrNotFound
		}
		return noteSuppressed(ctx, t, distinct(lifted), survey.ContactLifted, clean(l.Why))
	})
}

// Suppressions lists suppressed addresses in the order of addresses, not of time: they have no id. An address is
// never divided between two pages. next is "" at the end.
func (s *Store) Suppressions(ctx context.Context, mode survey.Mode, cursor string, limit int) (items []survey.Suppression, next string, err error) {
	limit = page(limit)
	rows, err := s.reader.query(ctx, selectSuppressions, string(mode), cursor, int64(limit+1))
	err = each(rows, err, func(row scanner) error {
		p, err := scanSuppression(row)
		items = append(items, p)
		return err
	})
	if err != nil || len(items) <= limit {
		return items, "", err
	}
	next = strings.Clone(items[limit-1].Address)
	items = items[:limit]
	for len(items) > 0 && items[len(items)-1].Address == next {
		items = items[:len(items)-1]
	}
	whole, err := s.SuppressionsOf(ctx, mode, []string{next})
	return append(items, whole...), next, err
}

// SuppressionsOf gives those of any of the addresses.
func (s *Store) SuppressionsOf(ctx context.Context, mode survey.Mode, addresses []string) ([]survey.Suppression, error) {
	var items []survey.Suppression
	for _, a := range addresses {
		rows, err := s.reader.query(ctx, selectSuppressedOf, a, string(mode))
		if err := each(rows, err, func(row scanner) error {
			p, err := scanSuppression(row)
			items = append(items, p)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return items, nil
}
