package api

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/odziv/odziv/web"
)

// TestPhoneBlocks is why a verdict on one number may stand for its block.
func TestPhoneBlocks(t *testing.T) {
	t.Parallel()
	asked := 0
	for region := range phonenumbers.GetSupportedRegions() {
		for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
			n := phonenumbers.GetExampleNumberForType(region, kind)
			if n == nil || n.GetNationalNumber() < blockLeast {
				continue
			}
			want := ask(n.GetCountryCode(), n.GetNationalNumber())
			first := n.GetNationalNumber() / blockSize * blockSize
			for i := first; i < first+blockSize; i++ {
				asked++
				if got := ask(n.GetCountryCode(), i); got != want {
					t.Errorf("+%d %d is %d and +%d %d is %d", n.GetCountryCode(), n.GetNationalNumber(), want, n.GetCountryCode(), i, got)
					break
				}
			}
		}
	}
	if asked < 10_000 {
		t.Errorf("asked of %d numbers only", asked)
	}
}

func TestPhone(t *testing.T) {
	t.Parallel()
	p := newPhones()
	tests := []struct{ name, in, want, code string }{
		{"clean", "+385911234567", "+385911234567", ""},
		{"again from the block", "+385911234501", "+385911234501", ""},
		{"spaces", "+385 91 123 4567", "+385911234567", ""},
		{"brackets and hyphens", "+385 (91) 123-4567", "+385911234567", ""},
		{"double zero", "00385911234567", "+385911234567", ""},
		{"trunk zero", "+385 (0)91 123 4567", "+385911234567", ""},
		{"persian digits", "+۹۸۹۱۲۱۲۳۴۵۶۷", "+989121234567", ""},
		{"arabic digits", "+٩٨٩١٢١٢٣٤٥٦٧", "+989121234567", ""},
		{"marks of direction", "\u2066+98 912 123 4567\u2069", "+989121234567", ""},
		{"serbia", "+381 64 1234567", "+381641234567", ""},
		{"slovenia", "+386 40 123 456", "+38640123456", ""},
		{"poland", "+48 512 345 678", "+48512345678", ""},
		{"usa, mobile or not", "+1 415 555 2671", "+14155552671", ""},
		{"italian mobile", "+39 312 345 6789", "+393123456789", ""},
		{"national", "091 123 4567", "", web.CodeInvalidPhone},
		{"national in zeros", "0 0 0", "", web.CodeInvalidPhone},
		{"too short", "+385 91", "", web.CodeInvalidPhone},
		{"too long", "+385911234567890123", "", web.CodeInvalidPhone},
		{"no such country", "+999123456789", "", web.CodeInvalidPhone},
		{"no such range", "+385000000000", "", web.CodeInvalidPhone},
		{"words", "call me", "", web.CodeInvalidPhone},
		{"scientific notation of a spreadsheet", "3,85912E+11", "", web.CodeInvalidPhone},
		{"two numbers", "+385911234567 / +385921234567", "", web.CodeInvalidPhone},
		{"land line", "+385 1 4567 890", "", web.CodeUnreachablePhone},
		{"free-phone", "+1 800 234 5678", "", web.CodeUnreachablePhone},
		{"extension", "+385911234567 ext. 12", "", web.CodeUnreachablePhone},
		{"plus only", "+", "", web.CodeInvalidPhone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, code, refusal := p.phone(tt.in); got != tt.want || code != tt.code || (code == "") != (refusal == "") {
				t.Errorf("phone(%q) = %q, %q, %q; want %q, %q", tt.in, got, code, refusal, tt.want, tt.code)
			}
		})
	}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"plain", "ana@example.hr", "ana@example.hr"},
		{"domain in capitals", "Ana.K@Example.HR", "ana.k@example.hr"},
		{"spaces around", " ana@example.hr\t", "ana@example.hr"},
		{"plus", "ana+shop@mail.example.hr", "ana+shop@mail.example.hr"},
		{"quoted", `"ana.k"@example.hr`, `"ana.k"@example.hr`},
		{"domain of other letters", "ana@čevapi.hr", "ana@xn--evapi-gya.hr"},
		{"no at", "ana.example.hr", ""},
		{"no domain", "ana@", ""},
		{"no local part", "@example.hr", ""},
		{"no dot", "ana@localhost", ""},
		{"underscore", "a@ex_ample.com", ""},
		{"with a name", "Ana <ana@example.hr>", ""},
		{"two", "ana@example.hr,iva@example.hr", ""},
		{"double dot", "ana..k@example.hr", ""},
		{"dot before at", "ana.@example.hr", ""},
		{"double dot in domain", "ana@example..hr", ""},
		{"dot at the end", "ana@example.hr.", ""},
		{"address of a host", "ana@127.0.0.1", ""},
		{"hyphen first", "ana@-example.hr", ""},
		{"letters before the at", "ana.č@example.hr", ""},
		{"long local part", strings.Repeat("a", 65) + "@example.hr", ""},
		{"long label", "ana@" + strings.Repeat("a", 64) + ".hr", ""},
		{"header injection", "ana@example.hr\r\nBcc: x@example.com", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, refusal := email(tt.in); got != tt.want || (tt.want == "") != (refusal != "") {
				t.Errorf("email(%q) = %q, %q; want %q", tt.in, got, refusal, tt.want)
			}
		})
	}
}
