package survey

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"strconv"
	"strings"
	"testing"
)

// A word that is not written as foldWord writes it would never be found.
func TestWordsAreFolded(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "words.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name == "foldWord" || f.Name.Name == "primary" {
			continue
		}
		ast.Inspect(f, func(node ast.Node) bool {
			lit, ok := node.(*ast.BasicLit)
			if !ok || lit.Kind != gotoken.STRING {
				return true
			}
			s, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			n++
			words := strings.Fields(s)
			for i, w := range words {
				words[i] = foldWord(w)
			}
			if got := strings.Join(words, " "); got != strings.TrimSpace(s) {
				t.Errorf("%s: %q should be %q", f.Name.Name, s, got)
			}
			return true
		})
	}
	if n < 500 {
		t.Errorf("%d words seen; is this still the file of words?", n)
	}
}

func TestFoldWord(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"marks", "ČĆĐŠŽ ąęłńóśźż", "ccdsz aelnoszz"},
		{"decomposed", "c\u030c", "c"},
		{"Cyrillic", "Ђурђевдан Љ Њ Џ ч ћ ш ж", "durdevdan lj nj dz c c s z"},
		{"Arabic letters in Persian", "يك", "یک"},
		{"joiner, tatweel and vowel signs", "می\u200cدهم نـُه", "میدهم نه"},
		{"apostrophes", "I’d don't", "id dont"},
		{"full width", "ＳＴＯＰ", "stop"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := foldWord(tt.in); got != tt.want {
				t.Errorf("foldWord(%q) = %q; want %q", tt.in, got, tt.want)
			}
		})
	}
}
