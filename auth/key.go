package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/odziv/odziv/survey"
)

// The scopes of a key. Admin is all of them.
const (
	SendsWrite     = "sends:write"
	SendsRead      = "sends:read"
	ResponsesRead  = "responses:read"
	KeysWrite      = "keys:write"
	TemplatesRead  = "templates:read"
	TemplatesWrite = "templates:write"
	ContactsRead   = "contacts:read"
	ContactsWrite  = "contacts:write"
	Admin          = "admin"
)

// Scopes lists all scopes.
func Scopes() []string {
	return []string{SendsWrite, SendsRead, ResponsesRead, KeysWrite, TemplatesRead, TemplatesWrite, ContactsRead, ContactsWrite, Admin}
}

// What a key begins with says what it can reach.
const (
	livePrefix = "odz_live_"
	testPrefix = "odz_test_"
)

// BootstrapID is the id of the key that is configured, not stored.
const BootstrapID = "key_bootstrap"

// minBootstrap is the least length of a configured key: 24 characters of base64 are 144 bits.
const minBootstrap = 24

// The codes of an Error.
const (
	CodeMissingKey   = "missing_key"
	CodeInvalidKey   = "invalid_key"
	CodeRevokedKey   = "revoked_key"
	CodeMissingScope = "missing_scope"
)

// An Error is a refusal. Detail says how to fix it and holds nothing of the key.
type Error struct {
	Code   string
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// Allows reports whether the key has a scope.
func (k Key) Allows(scope string) bool {
	return slices.Contains(k.Scopes, scope) || slices.Contains(k.Scopes, Admin)
}

// Require gives an *Error naming the scope that the key lacks, nil when it has it.
func (k Key) Require(scope string) error {
	if k.Allows(scope) {
		return nil
	}
	return &Error{Code: CodeMissingScope, Detail: fmt.Sprintf(
		"key %s may not do this: it lacks the scope %q; make a key that has it, for example by «odziv keys create --scope %s»",
		k.ID, scope, scope)}
}

// NewKey makes a key and its secret, which is shown once and kept nowhere. Wrong input is a survey.InvalidError.
func NewKey(id, name string, mode survey.Mode, scopes []string, actor string, now time.Time) (Key, string, error) {
	var wrong survey.InvalidError
	prefix := livePrefix
	switch mode {
	case survey.Live:
	case survey.Test:
		prefix = testPrefix
	default:
		wrong = append(wrong, survey.FieldError{
			Pointer: "/mode", Code: "invalid_value", Detail: fmt.Sprintf("%q is no mode; use \"live\" or \"test\"", mode),
		})
	}
	if name = strings.TrimSpace(name); name == "" {
		wrong = append(wrong, survey.FieldError{
			Pointer: "/name", Code: "missing_member", Detail: "name the program that will use the key",
		})
	}
	if len(scopes) == 0 {
		wrong = append(wrong, survey.FieldError{
			Pointer: "/scopes", Code: "missing_member", Detail: "a key needs at least one of: " + strings.Join(Scopes(), ", "),
		})
	}
	for i, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			wrong = append(wrong, survey.FieldError{
				Pointer: fmt.Sprintf("/scopes/%d", i), Code: "invalid_value",
				Detail: fmt.Sprintf("%q is no scope; the scopes are %s", s, strings.Join(Scopes(), ", ")),
			})
		}
	}
	if wrong != nil {
		return Key{}, "", wrong
	}
	secret := prefix + random()
	return Key{
		ID: id, Name: name, Mode: mode, Scopes: slices.Compact(slices.Sorted(slices.Values(scopes))),
		Hash: HashKey(secret), Hint: secret[len(secret)-4:], CreatedAt: now, Actor: actor,
	}, secret, nil
}

// A KeyStore finds a key, revoked ones too, by the HashKey of its secret; survey.ErrNotFound when there is none.
type KeyStore interface {
	KeyByHash(ctx context.Context, hash [32]byte) (Key, error)
	TouchKey(ctx context.Context, id string, now time.Time) error
}

// touchEvery is how exact Key.LastUsedAt is.
const touchEvery = time.Hour

// How long and how many answers of the store are remembered: a key that another process revokes works for at most
// keyTTL more.
const (
	keyTTL   = time.Second
	keyCache = 4096
)

// Keys tells keys from strings. Safe for concurrent use.
type Keys struct {
	store     KeyStore
	now       func() time.Time
	bootstrap Key // its zero Hash matches nothing: no secret is known that has it

	mu    sync.RWMutex
	known map[[32]byte]remembered // guarded by mu
	age   int                     // guarded by mu: grows at every Forget
}

type remembered struct {
	key   Key
	ok    bool // false: the store knows no such key
	until time.Time
}

// NewKeys looks keys up in store. A non-empty bootstrap is one more key, with every scope; its mode is test when it
// begins with odz_test_, else live. One that is too short is refused.
func NewKeys(store KeyStore, bootstrap string, now func() time.Time) (*Keys, error) {
	k := &Keys{store: store, now: now, known: make(map[[32]byte]remembered)}
	if bootstrap == "" {
		return k, nil
	}
	if len(bootstrap) < minBootstrap {
		return nil, fmt.Errorf("ODZIV_BOOTSTRAP_KEY has %d characters; it needs at least %d random ones, such as "+
			"the output of «openssl rand -base64 32»", len(bootstrap), minBootstrap)
	}
	if strings.ContainsFunc(bootstrap, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("ODZIV_BOOTSTRAP_KEY holds a space or a character that is not ASCII; no header can carry it")
	}
	k.bootstrap = Key{
		ID: BootstrapID, Name: "bootstrap", Mode: survey.Live, Scopes: []string{Admin},
		Hash: HashKey(bootstrap), Actor: "configuration",
	}
	if strings.HasPrefix(bootstrap, testPrefix) {
		k.bootstrap.Mode = survey.Test
	}
	return k, nil
}

// Authenticate gives the key that an Authorization header carries. A refusal is an *Error; anything else means that
// it could not be told.
func (k *Keys) Authenticate(ctx context.Context, header string) (Key, error) {
	scheme, secret, found := strings.Cut(header, " ")
	secret = strings.TrimSpace(secret)
	if header == "" || !found || !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return Key{}, &Error{Code: CodeMissingKey, Detail: "send the header «Authorization: Bearer odz_live_…» " +
			"(or odz_test_…) with a key made by «odziv keys create»"}
	}
	hash := HashKey(secret)
	if k.bootstrap.ID != "" && SameHash(hash, k.bootstrap.Hash) {
		return k.bootstrap, nil
	}
	mode := survey.Live
	switch {
	case strings.HasPrefix(secret, livePrefix):
	case strings.HasPrefix(secret, testPrefix):
		mode = survey.Test
	default:
		return Key{}, unknownKey("a key begins with odz_live_ or odz_test_; this one does not")
	}
	key, ok, err := k.lookup(ctx, hash)
	switch {
	case err != nil:
		return Key{}, err
	case !ok || !SameHash(hash, key.Hash) || key.Mode != mode:
		return Key{}, unknownKey("this key is not known here; check that it is whole and of this installation, or make one by «odziv keys create»")
	case !key.RevokedAt.IsZero():
		return Key{}, &Error{Code: CodeRevokedKey, Detail: fmt.Sprintf(
			"key %s was revoked at %s; make a new one by «odziv keys create»", key.ID, key.RevokedAt.UTC().Format(time.RFC3339))}
	}
	return key, nil
}

func unknownKey(detail string) *Error { return &Error{Code: CodeInvalidKey, Detail: detail} }

func (k *Keys) lookup(ctx context.Context, hash [32]byte) (Key, bool, error) {
	now := k.now()
	k.mu.RLock()
	r, hit := k.known[hash]
	age := k.age
	k.mu.RUnlock()
	if hit && now.Before(r.until) {
		return r.key, r.ok, nil
	}
	key, err := k.store.KeyByHash(ctx, hash)
	if err != nil && !errors.Is(err, survey.ErrNotFound) {
		return Key{}, false, fmt.Errorf("look up key: %w", err)
	}
	if err == nil && key.RevokedAt.IsZero() && now.Sub(key.LastUsedAt) > touchEvery {
		_ = k.store.TouchKey(ctx, key.ID, now) // for people to see; no reason to refuse the call
		key.LastUsedAt = now
	}
	r = remembered{key: key, ok: err == nil, until: now.Add(keyTTL)}
	k.remember(hash, r, now, age)
	return r.key, r.ok, nil
}

// remember keeps the cache small: when it is full the stale go, and if that was not enough, all do. An answer that
// was asked for before the last Forget may be older than the revocation: it is not kept.
func (k *Keys) remember(hash [32]byte, r remembered, now time.Time, age int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if age != k.age {
		return
	}
	if len(k.known) >= keyCache {
		for h, old := range k.known {
			if !now.Before(old.until) {
				delete(k.known, h)
			}
		}
		if len(k.known) >= keyCache {
			clear(k.known)
		}
	}
	k.known[hash] = r
}

// Forget drops what is remembered of a key, so that its revocation counts at once in this process.
func (k *Keys) Forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.age++
	for h, r := range k.known {
		if r.key.ID == id {
			delete(k.known, h)
		}
	}
}
