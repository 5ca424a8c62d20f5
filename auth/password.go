package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/odziv/odziv/survey"
)

// Bounds of a password, in characters. The upper one keeps hashing cheap to refuse.
const (
	MinPassword = 12
	MaxPassword = 128
)

// cost is the second recommended choice of RFC 9106, section 4, with less memory: two hashes at once take 64 MiB.
func cost() *argon2id.Params {
	return &argon2id.Params{Memory: 32 * 1024, Iterations: 3, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// Passwords hashes passwords by argon2id, only so many at a time: each takes 32 MiB while it runs, so that a flood
// of sign-ins waits rather than takes the memory of everything else. Safe for concurrent use.
type Passwords struct {
	slots chan struct{}
	decoy string // matched against when there is no such user, so that the answer takes as long
}

// NewPasswords lets at most parallel (at least 1) hashes run at once.
func NewPasswords(parallel int) (*Passwords, error) {
	decoy, err := argon2id.CreateHash("nobody has this password", cost())
	if err != nil {
		return nil, fmt.Errorf("hash decoy: %w", err)
	}
	return &Passwords{slots: make(chan struct{}, max(parallel, 1)), decoy: decoy}, nil
}

// Hash gives the encoded hash of a password. A password out of bounds is a survey.InvalidError at /password.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if n := utf8.RuneCountInString(password); n < MinPassword || n > MaxPassword || strings.TrimSpace(password) == "" {
		return "", survey.InvalidError{{
			Pointer: "/password", Code: "invalid_password",
			Detail: fmt.Sprintf("has %d characters; a password has from %d to %d", n, MinPassword, MaxPassword),
		}}
	}
	if err := p.wait(ctx); err != nil {
		return "", err
	}
	defer p.release()
	hash, err := argon2id.CreateHash(password, cost())
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// Matches reports whether hash is of that password. Give "" as hash when there is no such user: it is false after
// the same time. An error means that it could not be told.
func (p *Passwords) Matches(ctx context.Context, password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = p.decoy
	}
	if utf8.RuneCountInString(password) > MaxPassword {
		return false, nil
	}
	if err := p.wait(ctx); err != nil {
		return false, err
	}
	defer p.release()
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, errors.New("compare password: the stored hash is unreadable")
	}
	return ok && known, nil
}

func (p *Passwords) wait(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
}

func (p *Passwords) release() { <-p.slots }
