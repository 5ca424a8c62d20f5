package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/odziv/odziv/survey"
)

// keyedPrefix begins the address of a suppression whose person was erased.
const keyedPrefix = "hmac:"

// openContacts readies what contacts need: the key of erased addresses, what a crash lost, and what is still to be forgotten.
func (s *Store) openContacts(ctx context.Context, latest int) error {
	key, err := s.Secret(ctx, "suppressions")
	if err != nil {
		return err
	}
	s.keyed = key
	if err := s.healContacts(ctx, latest); err != nil {
		return err
	}
	return s.forgetLeft(ctx)
}

// suppressionKeys gives the addresses under which a suppression of an address may be kept: itself, and the keyed hash
// that stays when its person was erased.
func (s *Store) suppressionKeys(address string) []string {
	return []string{address, s.erasedAddress(address)}
}

func (s *Store) erasedAddress(address string) string {
	key, _ := s.hashes.get(address, func(key *string) error {
		*key = s.hashed(address)
		return nil
	})
	return key
}

func (s *Store) hashed(address string) string {
	mac := hmac.New(sha256.New, s.keyed)
	_, _ = mac.Write([]byte(address)) // never fails
	return keyedPrefix + hex.EncodeToString(mac.Sum(nil)[:16])
}

// askedFor gives all keys of addresses, and for each the address that it stands for.
func (s *Store) askedFor(addresses []string) (keys []string, asked map[string]string) {
	asked = make(map[string]string, 2*len(addresses))
	for _, a := range addresses {
		a = clean(a)
		for _, k := range s.suppressionKeys(a) {
			if _, ok := asked[k]; !ok {
				asked[k] = a
				keys = append(keys, k)
			}
		}
	}
	return keys, asked
}

// suppressedUnder gives what is kept under the keys of addresses, each under the address asked for. mode "" is any.
func (s *Store) suppressedUnder(ctx context.Context, q querier, mode survey.Mode, addresses []string) ([]survey.Suppression, error) {
	keys, asked := s.askedFor(addresses)
	var items []survey.Suppression
	err := in(ctx, q, selectSuppressed, keys, func(row scanner) error {
		p, err := scanSuppression(row)
		p.Address = asked[p.Address]
		if (p.Mode == mode || mode == "") && !slices.Contains(items, p) { // a list that was filled up names an address twice
			items = append(items, p)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("select suppressions: %w", err)
	}
	return items, nil
}

// SuppressionsOfPerson gives, by id of a contact, what holds back anything at all to its person: those of scopes all,
// brand and survey of every address known to be theirs. Contacts without any are absent.
func (s *Store) SuppressionsOfPerson(ctx context.Context, mode survey.Mode, contactIDs []string) (map[string][]survey.Suppression, error) {
	known, err := addressesOfPerson(ctx, &s.reader, contactIDs)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, all := range known {
		addresses = append(addresses, all...)
	}
	slices.Sort(addresses)
	all, err := s.suppressedUnder(ctx, &s.reader, mode, slices.Compact(addresses))
	if err != nil {
		return nil, err
	}
	found := map[string][]survey.Suppression{}
	for id, addresses := range known {
		for _, p := range all {
			wide := p.Scope == survey.ScopeAll || p.Scope == survey.ScopeBrand || p.Scope == survey.ScopeSurvey
			if wide && slices.Contains(addresses, p.Address) {
				found[id] = append(found[id], p)
			}
		}
	}
	return found, nil
}

// SuppressionsUnder gives those of any of the addresses, also those of erased people, each under the address asked for.
func (s *Store) SuppressionsUnder(ctx context.Context, mode survey.Mode, addresses []string) ([]survey.Suppression, error) {
	return s.suppressedUnder(ctx, &s.reader, mode, addresses)
}

// noteSuppressed writes an event for each contact that has one of the addresses.
func noteSuppressed(ctx context.Context, t *tx, all []survey.Suppression, typ, why string) error {
	by := map[string][]survey.Suppression{}
	for _, p := range all {
		by[p.Address] = append(by[p.Address], p)
	}
	values := make([]string, 0, len(by))
	for v := range by {
		values = append(values, v)
	}
	slices.Sort(values)
	var events []contactEvent
	noted := map[string]bool{}
	err := in(ctx, t, selectIdentities, values, func(row scanner) error {
		var value, kind, mode, id string
		err := row.Scan(&value, &kind, &mode, &id)
		for _, p := range by[value] {
			key := strings.Join([]string{id, value, string(p.Channel), p.Scope, p.Subject}, "\n")
			if string(p.Mode) != mode || noted[key] {
				continue
			}
			noted[key] = true
			events = append(events, contactEvent{id, p.Mode, typ, p.Source, micros(p.At), map[string]any{
				"channel": string(p.Channel), "scope": p.Scope, "subject": p.Subject, "reason": p.Reason, "why": why,
			}})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("contacts of suppressions: %w", err)
	}
	return writeContactEvents(ctx, t, events)
}
