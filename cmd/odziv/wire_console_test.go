package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/survey"
)

// A matcher notes the hashes that it was given.
type matcher struct{ hashes []string }

func (m *matcher) Matches(_ context.Context, _, hash string) (bool, error) {
	m.hashes = append(m.hashes, hash)
	return false, nil
}

// Whether an account exists is not to be told by how long sign-in takes: auth's own decoy costs what a password costs.
func TestSignInOfNobodyCostsAsMuch(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateUser(t.Context(), auth.User{ID: "usr_1", Email: "ana@lipa.example", PasswordHash: "$argon2id$hers", CreatedAt: time.Now()}); err != nil { //nolint:gosec // no real one
		t.Fatal(err)
	}
	m := new(matcher)
	p := &people{store: s, passwords: m}
	for _, email := range []string{"ana@lipa.example", "nobody@lipa.example"} {
		if _, err := p.SignIn(t.Context(), email, "wrong"); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", email, err)
		}
	}
	if diff := cmp.Diff([]string{"$argon2id$hers", ""}, m.hashes); diff != "" {
		t.Errorf("hashes looked at: -want +got\n%s", diff)
	}
}
