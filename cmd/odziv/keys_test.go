package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/survey"
)

// newStreams gives streams with that input, and what was written to them.
func newStreams(in string) (std *streams, out, errs *bytes.Buffer) {
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	return &streams{Out: out, Err: errs, In: strings.NewReader(in), Getenv: env("ODZIV_LOG_LEVEL=error")}, out, errs
}

func TestKeys(t *testing.T) {
	t.Parallel()
	flags := configFlags{Config: newConfigFile(t, ""), DataDir: t.TempDir()}
	std, out, errs := newStreams("")
	create := keysCreateCmd{configFlags: flags, Name: "shop", Mode: survey.Test, Scope: []string{auth.SendsWrite}}
	if err := create.Run(t.Context(), std); err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(out.String())
	id := regexp.MustCompile(`^key_\w+`).FindString(errs.String())
	if !strings.HasPrefix(secret, "odz_test_") || id == "" || strings.Contains(errs.String(), secret) {
		t.Fatalf("out %q, err %q", out, errs)
	}

	s, err := store.Open(t.Context(), store.Config{Dir: flags.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.KeyByHash(t.Context(), auth.HashKey(secret))
	if err != nil || key.ID != id || key.Name != "shop" || key.Actor != "cli" || !key.Allows(auth.SendsWrite) || key.Allows(auth.KeysWrite) {
		t.Errorf("stored key %+v, %v", key, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	list := func() string {
		std, out, _ := newStreams("")
		if err := (&keysListCmd{flags}).Run(t.Context(), std); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := list(); !regexp.MustCompile(id+` +test +\S+ +\S+ \S+ +- +- +sends:write +shop\n`).MatchString(got) || strings.Contains(got, secret) {
		t.Errorf("list:\n%s", got)
	}
	if err := (&keysRevokeCmd{flags, id}).Run(t.Context(), std); err != nil {
		t.Fatal(err)
	}
	if got := list(); !regexp.MustCompile(id + ` +test +\S+ +\S+ \S+ +- +20\d\d-\S+ \S+ +sends:write`).MatchString(got) {
		t.Errorf("list after revoke:\n%s", got)
	}
	if err := (&keysRevokeCmd{flags, "key_none"}).Run(t.Context(), std); err == nil || !strings.Contains(err.Error(), "there is no key key_none") {
		t.Errorf("revoke of an unknown key: %v", err)
	}
	create.Scope = []string{"sends:wirte"}
	if err := create.Run(t.Context(), std); err == nil || !strings.Contains(err.Error(), "sends:wirte") {
		t.Errorf("unknown scope: %v", err)
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	flags := configFlags{Config: newConfigFile(t, ""), DataDir: t.TempDir()}
	create := userCreateCmd{configFlags: flags, Email: "Ana@Example.hr", Role: "admin"}
	std, out, _ := newStreams("correct horse battery\nnot this\n")
	if err := create.Run(t.Context(), std); err != nil {
		t.Fatal(err)
	}
	if out.String() != "ana@example.hr can sign in to /console\n" {
		t.Errorf("out %q", out)
	}
	checkPassword(t, flags, "correct horse battery")

	std, _, _ = newStreams("another long password")
	if err := create.Run(t.Context(), std); err == nil || !strings.Contains(err.Error(), "there is a user ana@example.hr already") {
		t.Errorf("second create: %v", err)
	}
	checkPassword(t, flags, "correct horse battery")

	std, _, _ = newStreams("another long password\r\n")
	if err := (&userPasswordCmd{flags, "ana@example.hr"}).Run(t.Context(), std); err != nil {
		t.Fatal(err)
	}
	checkPassword(t, flags, "another long password")
}

func checkPassword(t *testing.T, flags configFlags, password string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dir: flags.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	user, err := s.UserByEmail(t.Context(), "ana@example.hr")
	if err != nil {
		t.Fatal(err)
	}
	hasher, err := auth.NewPasswords(1)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := hasher.Matches(t.Context(), password, user.PasswordHash); !ok || err != nil {
		t.Errorf("the password is not %q: %v", password, err)
	}
}

func TestUserRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, email, password, want string }{
		{"address", "ana", "correct horse battery", `"ana" is not an email address`},
		{"address with a name", "Ana <ana@example.hr>", "correct horse battery", `is not an email address`},
		{"short password", "ana@example.hr", "short", "the password has 5 characters"},
		{"no password", "ana@example.hr", "", "the password has 0 characters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			std, _, _ := newStreams(tt.password)
			c := userCreateCmd{configFlags: configFlags{Config: newConfigFile(t, ""), DataDir: t.TempDir()}, Email: tt.email, Role: "admin"}
			if err := c.Run(t.Context(), std); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestUserPasswordOfNobody(t *testing.T) {
	t.Parallel()
	std, _, _ := newStreams("correct horse battery")
	c := userPasswordCmd{configFlags{Config: newConfigFile(t, ""), DataDir: t.TempDir()}, "ana@example.hr"}
	if err := c.Run(t.Context(), std); err == nil || !strings.Contains(err.Error(), "there is no user ana@example.hr") {
		t.Errorf("error %v", err)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	std, out, _ := newStreams("")
	c := migrateCmd{configFlags{Config: newConfigFile(t, ""), DataDir: t.TempDir()}}
	for range 2 {
		if err := c.Run(t.Context(), std); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(out.String(), "the database has the schema of this version") {
		t.Errorf("out %q", out)
	}
}
