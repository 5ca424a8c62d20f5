package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/odziv/odziv/survey"
)

// An identityKey is a value by which a person may be named.
type identityKey struct{ value, kind, mode string }

// A meeting is an id of a contact that others have too.
type meeting struct {
	of     *contact
	kind   string
	others []string
}

// putIdentities writes the ids of contacts that are new to them, notes them in known, and gives those that other contacts
// have too, in the order in which they were named.
func putIdentities(ctx context.Context, t *tx, all []*contact) ([]meeting, error) {
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b *contact) int { return cmp.Compare(a.since, b.since) })
	owners := make(map[identityKey][]string, 2*len(all))
	values := make([]string, 0, 2*len(all))
	for _, c := range all {
		c.known = ""
		c.addresses(func(x survey.Identity) { values = append(values, clean(x.Same())) })
	}
	slices.Sort(values)
	err := in(ctx, t, selectIdentities, slices.Compact(values), func(row scanner) error {
		var k identityKey
		var id string
		err := row.Scan(&k.value, &k.kind, &k.mode, &id)
		if !slices.Contains(owners[k], id) { // a list that was filled up names a value twice
			owners[k] = append(owners[k], id)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("select identities: %w", err)
	}
	type row struct {
		identityKey
		id string
	}
	var fresh []row
	var meetings []meeting
	for _, c := range order {
		c.addresses(func(x survey.Identity) {
			k := identityKey{clean(x.Same()), x.Kind, string(c.mode)}
			have := owners[k]
			if !slices.Contains(have, c.id) {
				owners[k] = append(have, c.id)
				fresh = append(fresh, row{k, c.id})
				c.known += knownLine(x)
			}
			if others := slices.DeleteFunc(slices.Clone(have), func(id string) bool { return id == c.id }); len(others) > 0 {
				meetings = append(meetings, meeting{c, x.Kind, others})
			}
		})
	}
	slices.SortFunc(fresh, func(a, b row) int {
		return cmp.Or(strings.Compare(a.value, b.value), strings.Compare(a.kind, b.kind), strings.Compare(a.mode, b.mode), strings.Compare(a.id, b.id))
	})
	err = t.insert(ctx, insertIdentities, insertIdentitiesShape, len(fresh), func(args []any, i int) []any {
		return append(args, fresh[i].value, fresh[i].kind, fresh[i].mode, fresh[i].id)
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("insert identities: %w", err)
	}
	return meetings, nil
}

// knownLine is how a contact's row notes an id; identitiesOf reads it.
func knownLine(x survey.Identity) string {
	if !strings.ContainsAny(x.Value, "\\\n") {
		return x.Kind + " " + x.Value + "\n"
	}
	return x.Kind + " " + strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(x.Value) + "\n"
}

// identitiesOf reads what knownLine wrote.
func identitiesOf(known string) []survey.Identity {
	var all []survey.Identity
	for line := range strings.Lines(known) {
		kind, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if ok && strings.Contains(value, `\`) {
			value = strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(value)
		}
		if ok {
			all = append(all, survey.Identity{Kind: kind, Value: value})
		}
	}
	return all
}
