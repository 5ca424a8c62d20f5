package auth_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// memory keeps keys and sessions.
type memory struct {
	keys     map[[32]byte]auth.Key
	sessions map[[32]byte]auth.Session
	asked    atomic.Int32
	touched  atomic.Int32
	fail     error
	during   func() // called while a key is looked up
}

func newMemory() *memory {
	return &memory{keys: map[[32]byte]auth.Key{}, sessions: map[[32]byte]auth.Session{}}
}

func (m *memory) KeyByHash(_ context.Context, hash [32]byte) (auth.Key, error) {
	m.asked.Add(1)
	k, ok := m.keys[hash]
	if m.during != nil {
		m.during()
	}
	if m.fail != nil {
		return k, m.fail
	}
	if !ok {
		return k, survey.ErrNotFound
	}
	return k, nil
}

func (m *memory) TouchKey(context.Context, string, time.Time) error {
	m.touched.Add(1)
	return nil
}

func (m *memory) CreateSession(_ context.Context, s auth.Session) error {
	m.sessions[s.Hash] = s
	return nil
}

func (m *memory) SessionByHash(_ context.Context, hash [32]byte) (auth.Session, error) {
	s, ok := m.sessions[hash]
	if !ok {
		return s, survey.ErrNotFound
	}
	return s, nil
}

func (m *memory) DeleteSession(_ context.Context, hash [32]byte) error {
	delete(m.sessions, hash)
	return nil
}

func (m *memory) make(t *testing.T, mode survey.Mode, scopes ...string) (auth.Key, string) {
	t.Helper()
	k, secret, err := auth.NewKey("key_1", "shop", mode, scopes, "usr_1", noon)
	if err != nil {
		t.Fatal(err)
	}
	m.keys[k.Hash] = k
	return k, secret
}

func (m *memory) revoke(k auth.Key) {
	k.RevokedAt = noon
	m.keys[k.Hash] = k
}

func code(err error) string {
	if refused, ok := errors.AsType[*auth.Error](err); ok {
		return refused.Code
	}
	return ""
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	m := newMemory()
	_, live := m.make(t, survey.Live, auth.SendsWrite)
	_, test := m.make(t, survey.Test, auth.Admin)
	gone, revoked := m.make(t, survey.Live, auth.Admin)
	m.revoke(gone)
	odd := auth.Key{ID: "key_9", Mode: survey.Live, Hash: auth.HashKey("odz_test_which_says_live_in_the_store")}
	m.keys[odd.Hash] = odd
	keys, err := auth.NewKeys(m, "odz_test_bootstrap_key_of_tests", func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, header, code string
		mode               survey.Mode
	}{
		{"live", "Bearer " + live, "", survey.Live},
		{"test", "Bearer " + test, "", survey.Test},
		{"in small letters", "bearer " + test, "", survey.Test},
		{"bootstrap", "Bearer odz_test_bootstrap_key_of_tests", "", survey.Test},
		{"none", "", auth.CodeMissingKey, ""},
		{"no scheme", live, auth.CodeMissingKey, ""},
		{"another scheme", "Basic " + live, auth.CodeMissingKey, ""},
		{"empty", "Bearer  ", auth.CodeMissingKey, ""},
		{"cut off", "Bearer " + live[:len(live)-1], auth.CodeInvalidKey, ""},
		{"other prefix", "Bearer " + strings.Replace(live, "live", "test", 1), auth.CodeInvalidKey, ""},
		{"prefix of the other mode", "Bearer odz_test_which_says_live_in_the_store", auth.CodeInvalidKey, ""},
		{"no prefix", "Bearer abcdef", auth.CodeInvalidKey, ""},
		{"revoked", "Bearer " + revoked, auth.CodeRevokedKey, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k, err := keys.Authenticate(t.Context(), tt.header)
			if code(err) != tt.code || k.Mode != tt.mode || (err == nil) != (tt.code == "") {
				t.Errorf("got %s, %v; want %s, %q", k.Mode, err, tt.mode, tt.code)
			}
			if err != nil && strings.Contains(err.Error(), live[9:20]) {
				t.Errorf("%v tells the key", err)
			}
		})
	}
}

func TestKeyCache(t *testing.T) {
	t.Parallel()
	m := newMemory()
	k, secret := m.make(t, survey.Live, auth.Admin)
	now := noon
	keys, err := auth.NewKeys(m, "", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	try := func(want string, asked int32) {
		t.Helper()
		_, err := keys.Authenticate(t.Context(), "Bearer "+secret)
		if code(err) != want || m.asked.Load() != asked {
			t.Errorf("got %v after %d questions; want %q after %d", err, m.asked.Load(), want, asked)
		}
	}
	try("", 1)
	try("", 1)
	m.revoke(k)
	try("", 1) // another process may have revoked it: a second at most
	now = now.Add(time.Second)
	try(auth.CodeRevokedKey, 2)
	m.keys[k.Hash] = k
	now = now.Add(time.Second)
	try("", 3)
	m.revoke(k)
	keys.Forget(k.ID) // this process did
	try(auth.CodeRevokedKey, 4)

	// one that is revoked while it is looked up is not remembered as good
	m.keys[k.Hash] = k
	now = now.Add(time.Second)
	m.during = func() { m.during = nil; m.revoke(k); keys.Forget(k.ID) }
	try("", 5)
	try(auth.CodeRevokedKey, 6)
	if m.touched.Load() == 0 {
		t.Error("no use was noted")
	}

	m.fail = errors.New("disk")
	now = now.Add(time.Second)
	if _, err := keys.Authenticate(t.Context(), "Bearer "+secret); err == nil || code(err) != "" {
		t.Errorf("a fault of the store is %v", err)
	}
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, key string
		ok        bool
		mode      survey.Mode
	}{
		{"any string", "abcdefghijklmnopqrstuvwx", true, survey.Live},
		{"test", "odz_test_klmnopqrstuvwxyz", true, survey.Test},
		{"short", "abcdefghijklmnopqrstuvw", false, ""},
		{"with a space", "abcdefghijklm opqrstuvwxyz", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			keys, err := auth.NewKeys(newMemory(), tt.key, func() time.Time { return noon })
			if (err == nil) != tt.ok {
				t.Fatal(err)
			}
			if err != nil {
				if strings.Contains(err.Error(), tt.key) {
					t.Errorf("%v tells the key", err)
				}
				return
			}
			k, err := keys.Authenticate(t.Context(), "Bearer "+tt.key)
			if err != nil || k.Mode != tt.mode || k.Require(auth.TemplatesWrite) != nil {
				t.Errorf("got %+v, %v", k, err)
			}
		})
	}
}

func TestNewKey(t *testing.T) {
	t.Parallel()
	k, secret, err := auth.NewKey("key_1", "shop", survey.Test, []string{auth.SendsWrite, auth.SendsRead, auth.SendsWrite}, "usr_1", noon)
	if err != nil || len(k.Scopes) != 2 || !strings.HasPrefix(secret, "odz_test_") || len(secret) != 52 || k.Hash != auth.HashKey(secret) {
		t.Errorf("got %+v, %d characters, %v", k, len(secret), err)
	}
	if err := k.Require(auth.ResponsesRead); code(err) != auth.CodeMissingScope || !strings.Contains(err.Error(), "responses:read") {
		t.Errorf("got %v", err)
	}
	var wrong survey.InvalidError
	if _, _, err := auth.NewKey("key_1", " ", "x", []string{"x"}, "", noon); !errors.As(err, &wrong) || len(wrong) != 3 {
		t.Errorf("got %v", err)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	p, err := auth.NewPasswords(1)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := p.Hash(t.Context(), "correct horse battery")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$") {
		t.Fatal(hash, err)
	}
	for _, tt := range []struct {
		name, password, hash string
		want                 bool
	}{
		{"right", "correct horse battery", hash, true},
		{"wrong", "correct horse batterz", hash, false},
		{"no such user", "correct horse battery", "", false},
		{"no such user, decoy", "nobody has this password", "", false},
		{"too long", strings.Repeat("a", 1<<20), hash, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if ok, err := p.Matches(t.Context(), tt.password, tt.hash); ok != tt.want || err != nil {
				t.Errorf("got %t, %v", ok, err)
			}
		})
	}
	for _, bad := range []string{"", "short", strings.Repeat("a", 129), strings.Repeat(" ", 20)} {
		if _, err := p.Hash(t.Context(), bad); err == nil {
			t.Errorf("took %q", bad)
		}
	}
	if _, err := p.Matches(t.Context(), "x", "no hash"); err == nil {
		t.Error("an unreadable hash is no error")
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	m := newMemory()
	now := noon
	s := &auth.Sessions{Store: m, Now: func() time.Time { return now }}
	token, made, err := s.Start(t.Context(), "usr_1")
	if err != nil || made.CSRF == "" || made.CSRF == token || made.Hash != auth.HashKey(token) {
		t.Fatal(made, err)
	}
	if got, err := s.Session(t.Context(), token); err != nil || got.UserID != "usr_1" {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "x", token[:42] + "_"} {
		if _, err := s.Session(t.Context(), bad); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("%q gives %v", bad, err)
		}
	}
	now = now.Add(auth.SessionLife)
	if _, err := s.Session(t.Context(), token); !errors.Is(err, survey.ErrNotFound) {
		t.Errorf("after its life: %v", err)
	}
	now = noon
	if err := s.End(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Session(t.Context(), token); !errors.Is(err, survey.ErrNotFound) {
		t.Errorf("after its end: %v", err)
	}
}
