// Package auth is who may do what: API keys for programs, users and sessions for people.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"github.com/odziv/odziv/survey"
)

// A Key is an API key without its secret, which only its owner has.
type Key struct {
	ID         string
	Name       string // what it is for, in the words of who made it
	Mode       survey.Mode
	Scopes     []string
	Hash       [32]byte // HashKey of the secret
	Hint       string   // a few characters of the secret: enough to tell keys apart
	Actor      string   // who made it
	CreatedAt  time.Time
	RevokedAt  time.Time // zero: it is in use
	LastUsedAt time.Time // zero: never
}

// A User is a person who signs in to the console.
type User struct {
	ID           string
	Email        string // unique, lower case
	Name         string
	Role         string
	PasswordHash string // argon2id in its own encoding; "" cannot sign in
	Actor        string // who made it
	CreatedAt    time.Time
}

// A Session is one signed-in browser.
type Session struct {
	Hash      [32]byte // HashKey of the cookie's value
	UserID    string
	CSRF      string // token that every form of this session carries
	CreatedAt time.Time
	ExpiresAt time.Time
}

// HashKey is what is stored of a secret. A plain SHA-256 is enough: secrets are random, not chosen.
func HashKey(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// SameHash compares in a time that does not depend on where the hashes differ.
func SameHash(a, b [32]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
