package templates

import (
	"strings"
	"testing"
)

// FuzzClean: the short way gives what the long one gives.
func FuzzClean(f *testing.F) {
	for _, s := range []string{
		"", "Ana Kovač", "سارا محمدی", "\u2068Ana\u2069", "a\u202eb", "a\u2028b\u0085c", "\u0080\u009f\u00a0", "\ufeffa\ufffdb", "\xff\xc4", "\x00\x07\x7f\t\n",
		"می\u200cخواهم", "\xe2\x80", "\xed\xa0\x80",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := clean(s), strings.Map(dropControls, s); got != want {
			t.Errorf("clean(%q) = %q; want %q", s, got, want)
		}
	})
}

// FuzzOneLine: likewise.
func FuzzOneLine(f *testing.F) {
	for _, s := range []string{"", " ", "Ana", " Ana", "Ana ", "Ana  Kovač", "Ana\tKovac", "Ana\u00a0Kovac", "A B C", "a\xffb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := oneLine(s), strings.Join(strings.Fields(s), " "); got != want {
			t.Errorf("oneLine(%q) = %q; want %q", s, got, want)
		}
	})
}
