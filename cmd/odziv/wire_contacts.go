package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/api"
)

// A contactBook is the people of both modes, as the console shows them.
type contactBook struct {
	*gateway
	find *api.Finder
}

// listed is how many rows a page of the console has.
const listed = 50

// Find gives the people whom an id names.
func (b contactBook) Find(ctx context.Context, words, cursor string) ([]survey.Contact, string, error) {
	if words == "" {
		return b.store.Contacts(ctx, survey.ContactFilter{Cursor: cursor, Limit: listed})
	}
	if _, ok := survey.RawID(survey.ContactPrefix, words); ok {
		p, err := b.store.Person(ctx, "", words, 1)
		if err == nil {
			return []survey.Contact{p.Contact}, "", nil
		}
	}
	var found []survey.Contact
	for _, x := range b.find.Find(words) {
		items, _, err := b.store.Contacts(ctx, survey.ContactFilter{Identity: x, Limit: listed})
		if err != nil {
			return nil, "", err
		}
		for _, c := range items {
			if !slices.ContainsFunc(found, func(f survey.Contact) bool { return f.ID == c.ID }) {
				found = append(found, c)
			}
		}
	}
	return found, "", nil
}

// Person gives one.
func (b contactBook) Person(ctx context.Context, id string) (survey.Person, error) {
	return b.store.Person(ctx, "", id, 2*listed)
}

// Merge joins two contacts of one mode.
func (b contactBook) Merge(ctx context.Context, id, into, actor string) error {
	p, err := b.store.Person(ctx, "", id, 1)
	if err != nil {
		return err
	}
	return b.store.MergeContacts(ctx, p.Mode, id, into, actor, time.Now())
}

// Export is the same document as that of the API.
func (b contactBook) Export(ctx context.Context, id string) ([]byte, error) {
	d, err := b.store.ExportContact(ctx, "", id)
	if err != nil {
		return nil, err
	}
	doc, err := json.MarshalIndent(api.ViewDossier(d), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode export: %w", err)
	}
	return doc, nil
}

// Erase forgets one.
func (b contactBook) Erase(ctx context.Context, id, actor string) (survey.Erasure, error) {
	return b.store.EraseContact(ctx, "", id, actor, time.Now())
}

// stopList is the suppressions as the console shows them.
type stopList struct{ contactBook }

// List gives the suppressions of an address, or a page of all.
func (l stopList) List(ctx context.Context, mode survey.Mode, words, cursor string) ([]survey.Suppression, string, error) {
	if words == "" {
		return l.store.Suppressions(ctx, mode, cursor, listed)
	}
	addresses := []string{words}
	for _, x := range l.find.Find(words) {
		if x.Value != words {
			addresses = append(addresses, x.Value)
		}
	}
	items, err := l.store.SuppressionsUnder(ctx, mode, addresses)
	return items, "", err
}

// Add suppresses an address in the form in which sends keep it.
func (l stopList) Add(ctx context.Context, s survey.Suppression) error {
	kind := survey.ByViberID
	switch {
	case s.Channel == survey.Email:
		kind = survey.ByEmail
	case s.Channel == survey.SMS || strings.HasPrefix(s.Address, "+"):
		kind = survey.ByPhone
	}
	x, err := l.find.Normal(kind, s.Address)
	if err != nil {
		return err
	}
	s.Address = x.Value
	return l.store.SuppressAll(ctx, []survey.Suppression{s})
}

// Lift removes one suppression, and notes who did it and why.
func (l stopList) Lift(ctx context.Context, x survey.Lift) error { return l.store.Lift(ctx, x) }
