package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/webhooks"
)

// A crowd is contacts in memory.
type crowd struct {
	all    []survey.Contact
	erased *[]string
}

func (c crowd) Contacts(_ context.Context, f survey.ContactFilter) (items []survey.Contact, next string, err error) {
	for _, x := range c.all {
		if (f.Mode == "" || x.Mode == f.Mode) && slices.Contains(x.Identities, f.Identity) {
			items = append(items, x)
		}
	}
	return items, "", nil
}

func (c crowd) EraseContact(_ context.Context, mode survey.Mode, id, actor string, _ time.Time) (survey.Erasure, error) {
	*c.erased = append(*c.erased, string(mode)+" "+id+" "+actor)
	return survey.Erasure{}, nil
}

// Law 11: a shop of mode test forgets nobody live; and by what several people share nobody is forgotten.
func TestLaw11ShopErases(t *testing.T) {
	t.Parallel()
	const phone, mail = "+385911234567", "ana@example.hr"
	person := func(mode survey.Mode, id string, r survey.Recipient) survey.Contact {
		return survey.Contact{ID: id, Mode: mode, Identities: r.Identities()}
	}
	live, tried := person(survey.Live, "live", survey.Recipient{Email: mail}), person(survey.Test, "test", survey.Recipient{Email: mail})
	one := person(survey.Live, "one", survey.Recipient{ExternalID: "main:1", Phone: phone})
	two := person(survey.Live, "two", survey.Recipient{ExternalID: "main:2", Phone: phone})
	backend := person(survey.Live, "backend", survey.Recipient{ExternalID: "c-1", Phone: phone})
	tests := []struct {
		name   string
		all    []survey.Contact
		mode   survey.Mode
		who    survey.Recipient
		want   []string
		unsure bool
	}{
		{"by a test shop", []survey.Contact{live, tried}, survey.Test, survey.Recipient{Email: mail}, []string{"test test shop:main"}, false},
		{"by a test shop, live only", []survey.Contact{live}, survey.Test, survey.Recipient{Email: mail}, nil, false},
		{"by a live shop", []survey.Contact{live, tried}, survey.Live, survey.Recipient{Email: mail}, []string{"test test shop:main", "live live shop:main"}, false},
		{"by its own id", []survey.Contact{one, two}, survey.Live, survey.Recipient{ExternalID: "main:1", Phone: phone}, []string{"live one shop:main"}, false},
		{"by a phone of several", []survey.Contact{one, two}, survey.Live, survey.Recipient{ExternalID: "main:3", Phone: phone}, nil, true},
		{"by a phone of another customer", []survey.Contact{two}, survey.Live, survey.Recipient{ExternalID: "main:3", Phone: phone}, nil, true},
		{"by a phone of one", []survey.Contact{backend}, survey.Live, survey.Recipient{ExternalID: "main:3", Phone: phone}, []string{"live backend shop:main"}, false},
		{"nobody", nil, survey.Live, survey.Recipient{Phone: phone}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var erased []string
			err := shopEraser{crowd{tt.all, &erased}}.Erase(t.Context(), "main", tt.mode, tt.who)
			if diff := cmp.Diff(tt.want, erased); diff != "" || (err != nil) != tt.unsure || errors.Is(err, webhooks.ErrUnsure) != tt.unsure {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}
