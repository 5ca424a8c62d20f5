package smtp

import (
	"errors"
	"net/mail"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, want string
		err            error
	}{
		{"plain", "ana@example.hr", "ana@example.hr", nil},
		{"with a name", "Trgovina <ankete@example.hr>", "ankete@example.hr", nil},
		{"tag", "ana+1@example.hr", "ana+1@example.hr", nil},
		{"quoted", `"ana marija"@example.hr`, "ana marija@example.hr", nil},
		{"international domain", "ana@šećer.hr", "ana@xn--eer-qpa26b.hr", nil},
		{"upper case domain", "Ana@EXAMPLE.hr", "Ana@example.hr", nil},
		{"localhost", "ana@localhost", "ana@localhost", nil},
		{"international name", "čana@example.hr", "", errLocal},
		{"no dot", "ana@example", "", errNoDomain},
		{"no domain", "ana@", "", errAddress},
		{"no name", "@example.hr", "", errAddress},
		{"number", "ana@[192.0.2.1]", "", errIDN},
		{"two", "ana@example.hr, eva@example.hr", "", errAddress},
		{"line break", "ana@example.hr\r\nRCPT TO:<eva@example.hr>", "", errAddress},
		{"long name", strings.Repeat("a", 65) + "@example.hr", "", errTooLong},
		{"empty", "", "", errAddress},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseAddress(tt.in)
			if !errors.Is(err, tt.err) {
				t.Fatalf("parseAddress = %v; want %v", err, tt.err)
			}
			if err == nil && got.Address != tt.want {
				t.Errorf("parseAddress = %q; want %q", got.Address, tt.want)
			}
		})
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"ana@example.hr", `"a\"b"@example.hr`, "A <ana@šećer.hr>", "a@b.c\r\nX: y", "=?utf-8?q?a?= <b@c.d>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(s)
		if err != nil {
			if len(s) > 5 && strings.Contains(err.Error(), s) {
				t.Errorf("error holds the address: %v", err)
			}
			return
		}
		to := envelope{from: a.Address, to: a.Address}.bracketed().to
		for _, r := range to {
			if r < 0x20 || r > 0x7e {
				t.Fatalf("%q has %U on the wire", to, r)
			}
		}
		again, err := mail.ParseAddress(to)
		if err != nil || again.Address != a.Address {
			t.Errorf("%q reads as %v, %v", to, again, err)
		}
	})
}

func TestMostlyForeign(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"": false, "Koliko ste zadovoljni našom uslugom?": false, "Колико сте задовољни?": true, "چقدر راضی هستید؟ https://x.hr/s/1": true,
	} {
		if got := mostlyForeign(s); got != want {
			t.Errorf("mostlyForeign(%q) = %t", s, got)
		}
	}
}
