package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/odziv/odziv/survey"
)

// SessionLife is how long a sign-in lasts.
const SessionLife = 12 * time.Hour

// A SessionStore keeps sessions by the SHA-256 of their token. SessionByHash gives survey.ErrNotFound for an
// unknown one.
type SessionStore interface {
	CreateSession(ctx context.Context, s Session) error
	SessionByHash(ctx context.Context, hash [32]byte) (Session, error)
	DeleteSession(ctx context.Context, hash [32]byte) error
}

// Sessions are the sign-ins of the console. Whoever reads the store learns no token: only its hash is kept.
type Sessions struct {
	Store SessionStore
	Now   func() time.Time
}

// Start signs a user in. The token goes into a cookie (HttpOnly, Secure where the public URL is https,
// SameSite=Lax) and nowhere else; Session.CSRF goes into every form.
func (s *Sessions) Start(ctx context.Context, userID string) (token string, made Session, err error) {
	token = random()
	now := s.Now()
	made = Session{
		Hash: HashKey(token), UserID: userID,
		CreatedAt: now, ExpiresAt: now.Add(SessionLife), CSRF: random(),
	}
	if err := s.Store.CreateSession(ctx, made); err != nil {
		return "", Session{}, fmt.Errorf("create session of %s: %w", userID, err)
	}
	return token, made, nil
}

// Session gives the sign-in of a token; survey.ErrNotFound when it is unknown or over.
func (s *Sessions) Session(ctx context.Context, token string) (Session, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return Session{}, survey.ErrNotFound
	}
	found, err := s.Store.SessionByHash(ctx, HashKey(token))
	if err != nil {
		return Session{}, fmt.Errorf("look up session: %w", err)
	}
	if !s.Now().Before(found.ExpiresAt) {
		return Session{}, fmt.Errorf("session is over: %w", survey.ErrNotFound)
	}
	return found, nil
}

// End signs out. An unknown token is none of its business.
func (s *Sessions) End(ctx context.Context, token string) error {
	err := s.Store.DeleteSession(ctx, HashKey(token))
	if err != nil && !errors.Is(err, survey.ErrNotFound) {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// tokenBytes is the size of every secret made here.
const tokenBytes = 32

// random gives 256 random bits in 43 characters that need no escaping.
func random() string {
	var raw [tokenBytes]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
