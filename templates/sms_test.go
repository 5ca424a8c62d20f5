package templates

import (
	"strings"
	"testing"
)

func TestSizeOf(t *testing.T) {
	t.Parallel()
	rep := strings.Repeat
	tests := []struct {
		name     string
		text     string
		segments int
		ucs2     bool
		units    int
	}{
		{"empty", "", 1, false, 0},
		{"160", rep("a", 160), 1, false, 160},
		{"161", rep("a", 161), 2, false, 161},
		{"306", rep("a", 306), 2, false, 306},
		{"307", rep("a", 307), 3, false, 307},
		{"two septets each", rep("€", 80), 1, false, 160},
		{"an escape is not divided", rep("a", 152) + "€" + rep("a", 152), 3, false, 306},
		{"one letter makes all UCS-2", "č" + rep("a", 69), 1, true, 70},
		{"71", "č" + rep("a", 70), 2, true, 71},
		{"134", "č" + rep("a", 133), 2, true, 134},
		{"135", "č" + rep("a", 134), 3, true, 135},
		{"Persian", rep("ی", 71), 2, true, 71},
		{"35 emoji", rep("😀", 35), 1, true, 70},
		{"36 emoji", rep("😀", 36), 2, true, 72},
		{"a pair is not divided", "č" + rep("a", 65) + "😀" + rep("a", 66), 3, true, 134},
		{"German is GSM-7", "äöüßÄÖÜ", 1, false, 7},
		{"small ç is not", "ç", 1, true, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := SizeOf(tt.text); got.Segments != tt.segments || got.UCS2 != tt.ucs2 || got.Units != tt.units {
				t.Errorf("SizeOf = %+v, want %d segments, UCS-2 %t, %d units", got, tt.segments, tt.ucs2, tt.units)
			}
		})
	}
	if got, want := string(UCS2Chars("Čaša čaja, ča – ok")), "Čšč–"; got != want {
		t.Errorf("UCS2Chars = %q, want %q", got, want)
	}
}

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
