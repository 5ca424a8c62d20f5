package templates_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

func newLinks() *templates.Links {
	return templates.NewLinks("https://ask.example.hr/", []byte("0123456789abcdef"))
}

func TestLinksRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var raw [16]byte
		copy(raw[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		id := survey.IDOf(survey.SendPrefix, raw)
		l := newLinks()
		for _, purpose := range []string{templates.PurposePage, templates.PurposeUnsubscribe} {
			token := l.Token(purpose, id)
			if got, ok := l.Open(purpose, token); !ok || got != id {
				t.Fatalf("Open(%s, %s) = %s, %t; want %s", purpose, token, got, ok, id)
			}
			// No one character can be another.
			at := rapid.IntRange(0, len(token)-1).Draw(t, "at")
			c := rapid.SampledFrom([]byte("ABCxyz019-_=. ")).Draw(t, "character")
			if forged := token[:at] + string(c) + token[at+1:]; forged != token {
				if got, ok := l.Open(purpose, forged); ok {
					t.Fatalf("Open(%s) = %s", forged, got)
				}
			}
		}
	})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	l := newLinks()
	id := survey.IDOf(survey.SendPrefix, [16]byte{1, 2, 3})
	page := l.Token(templates.PurposePage, id)
	if got, want := l.Page(id), "https://ask.example.hr/s/"+page; got != want || len(page) != 32 {
		t.Errorf("Page = %s, want %s of 32 characters", got, want)
	}
	tests := []struct {
		name, purpose, token string
		links                *templates.Links
	}{
		{"other purpose", templates.PurposeUnsubscribe, page, l},
		{"other secret", templates.PurposePage, page, templates.NewLinks("", []byte("fedcba9876543210"))},
		{"empty", templates.PurposePage, "", l},
		{"cut", templates.PurposePage, page[:31], l},
		{"longer", templates.PurposePage, page + "A", l},
		{"line break", templates.PurposePage, page[:31] + "\n", l},
		{"padded", templates.PurposePage, page[:31] + "=", l},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := tt.links.Open(tt.purpose, tt.token); ok {
				t.Errorf("Open = %s", got)
			}
		})
	}
	for _, bad := range []string{"", "snd_", "att_" + id[4:], id + "0", strings.ToLower(id)} {
		if got := l.Page(bad); got != "" {
			t.Errorf("Page(%q) = %s, want none", bad, got)
		}
	}
}

func FuzzLinksOpen(f *testing.F) {
	l := newLinks()
	id := survey.IDOf(survey.SendPrefix, [16]byte{9})
	f.Add("s", l.Token("s", id))
	f.Add("u", "AAAA")
	f.Fuzz(func(t *testing.T, purpose, token string) {
		if got, ok := l.Open(purpose, token); ok && l.Token(purpose, got) != token {
			t.Errorf("Open(%q, %q) = %s, whose token is another", purpose, token, got)
		}
	})
}
