package console

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, before, after string
		want                []piece
	}{
		{"same", "Bok!", "Bok!", []piece{{"", "Bok!"}}},
		{"a word", "od 0 do 10", "od 1 do 10", []piece{{"", "od "}, {"del", "0"}, {"add", "1"}, {"", " do 10"}}},
		{"a piece of Liquid is one", "{{ contact.name }}!", "{{ brand.name }}!", []piece{{"del", "{{ contact.name }}"}, {"add", "{{ brand.name }}"}, {"", "!"}}},
		{"new", "", "Bok", []piece{{"add", "Bok"}}},
		{"gone", "Bok", "", []piece{{"del", "Bok"}}},
		{"nothing", "", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(tt.want, diff(tt.before, tt.after), cmp.AllowUnexported(piece{})); d != "" {
				t.Error(d)
			}
		})
	}
}

// FuzzDiff: what was kept and removed is the text before, what was kept and added the text after.
func FuzzDiff(f *testing.F) {
	f.Add("Bok {{ contact.name }}", "Bok {% if x %}ana{% endif %}")
	f.Add("سلام\u200c", "a\xff{{")
	f.Fuzz(func(t *testing.T, before, after string) {
		before, after = before[:min(len(before), 500)], after[:min(len(after), 500)]      // longer ones only take longer
		before, after = strings.ToValidUTF8(before, "?"), strings.ToValidUTF8(after, "?") // as drafts are
		var a, b strings.Builder
		for _, p := range diff(before, after) {
			if p.Op != "add" {
				a.WriteString(p.Text)
			}
			if p.Op != "del" {
				b.WriteString(p.Text)
			}
		}
		if a.String() != before || b.String() != after {
			t.Errorf("diff of %q and %q gives %q and %q", before, after, a.String(), b.String())
		}
	})
}
