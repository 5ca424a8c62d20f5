package templates

import (
	"strings"
	"testing"
)

func TestFoldSMS(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 80)
	tests := []struct {
		name string
		plan Fold
		in   string
		want string
	}{
		{"none", FoldNone, "č" + long, "č" + long},
		{"strip", FoldStrip, "čćđšž ČĆĐŠŽ ąęłńóśźż ŁÓ " + long, "ccdsz CCDSZ aelnoszz LO " + long},
		{"strip-dj", FoldStripDj, "đak Đak ĐAK ĐĐ " + long, "djak Djak DJAK DJDJ " + long},
		{"signs", FoldStrip, "„a“ – b… «c» d\u00a0e č" + long, `"a" - b... "c" d e c` + long},
		{"decomposed", FoldStrip, "c\u030c" + long, "c" + long},
		{"as many segments: left alone", FoldStrip, "Čaša čaja", "Čaša čaja"},
		{"GSM-7 is left alone", FoldStrip, "Ünlü" + long[:70] + "è", "Ünlü" + long[:70] + "è"},
		{"emoji would stay UCS-2: left alone", FoldStrip, "č😀" + long, "č😀" + long},
		{"Latin", FoldLatin, "Љубав ЉУБАВ Њ џеп ЂАК", "Ljubav LJUBAV Nj džep ĐAK"},
		{"Latin without diacritics", FoldLatinStrip, "Ђорђе чека " + long, "Djordje ceka " + long},
		{"links stay", FoldStrip, "č https://žaba.example/č?q=š č " + long, "č https://žaba.example/č?q=š č " + long},
		{"words around a link", FoldLatin, "ево: https://a.example/љ да", "evo: https://a.example/љ da"},
		{"Persian stays", FoldNone, "سلام", "سلام"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := FoldSMS(tt.in, tt.plan); got != tt.want {
				t.Errorf("FoldSMS = %q, want %q", got, tt.want)
			}
		})
	}
}
