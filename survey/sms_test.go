package survey_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
)

func TestSegments(t *testing.T) {
	t.Parallel()
	rep := strings.Repeat
	tests := []struct {
		name, text string
		want       survey.Parts
	}{
		{"nothing", "", survey.Parts{Encoding: survey.GSM7, Limit: 160, Left: 160}},
		{"one", rep("a", 160), survey.Parts{Encoding: survey.GSM7, Units: 160, Count: 1, Limit: 160}},
		{"one too many", rep("a", 161), survey.Parts{Encoding: survey.GSM7, Units: 161, Count: 2, Limit: 153, Left: 145}},
		{"two", rep("a", 306), survey.Parts{Encoding: survey.GSM7, Units: 306, Count: 2, Limit: 153}},
		{"three", rep("a", 307), survey.Parts{Encoding: survey.GSM7, Units: 307, Count: 3, Limit: 153, Left: 152}},
		{"three full", rep("a", 459), survey.Parts{Encoding: survey.GSM7, Units: 459, Count: 3, Limit: 153}},
		{"extension counts two", rep("€", 80), survey.Parts{Encoding: survey.GSM7, Units: 160, Count: 1, Limit: 160}},
		{"extension is not split", rep("a", 152) + "€" + rep("a", 152), survey.Parts{Encoding: survey.GSM7, Units: 306, Count: 3, Limit: 153, Left: 152}},
		{"one with č", "č" + rep("a", 69), survey.Parts{Encoding: survey.UCS2, Units: 70, Count: 1, Limit: 70, Forcing: []rune("č")}},
		{"two with č", "č" + rep("a", 70), survey.Parts{Encoding: survey.UCS2, Units: 71, Count: 2, Limit: 67, Left: 63, Forcing: []rune("č")}},
		{"two full with č", "č" + rep("a", 133), survey.Parts{Encoding: survey.UCS2, Units: 134, Count: 2, Limit: 67, Forcing: []rune("č")}},
		{"three with č", "č" + rep("a", 134), survey.Parts{Encoding: survey.UCS2, Units: 135, Count: 3, Limit: 67, Left: 66, Forcing: []rune("č")}},
		{"Persian", rep("ی", 71), survey.Parts{Encoding: survey.UCS2, Units: 71, Count: 2, Limit: 67, Left: 63, Forcing: []rune("ی")}},
		{"35 emoji", rep("😀", 35), survey.Parts{Encoding: survey.UCS2, Units: 70, Count: 1, Limit: 70, Forcing: []rune("😀")}},
		{"36 emoji waste a unit in the first", rep("😀", 36), survey.Parts{Encoding: survey.UCS2, Units: 72, Count: 2, Limit: 67, Left: 61, Forcing: []rune("😀")}},
		{"extension in UCS-2 counts one", "č€{", survey.Parts{Encoding: survey.UCS2, Units: 3, Count: 1, Limit: 70, Left: 67, Forcing: []rune("č")}},
		{"each forcing once, in order", "žaš“ž`š", survey.Parts{Encoding: survey.UCS2, Units: 7, Count: 1, Limit: 70, Left: 63, Forcing: []rune("žš“`")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, survey.Segments(tt.text)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// The alphabet of 3GPP TS 23.038, section 6.2.1, and its extension table.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

func TestSegmentsAlphabet(t *testing.T) {
	t.Parallel()
	for r := range rune(0x3000) {
		want := survey.Parts{Encoding: survey.UCS2, Units: 1, Count: 1, Limit: 70, Left: 69, Forcing: []rune{r}}
		switch {
		case strings.ContainsRune(gsmBasic, r):
			want = survey.Parts{Encoding: survey.GSM7, Units: 1, Count: 1, Limit: 160, Left: 159}
		case strings.ContainsRune(gsmExtension, r):
			want = survey.Parts{Encoding: survey.GSM7, Units: 2, Count: 1, Limit: 160, Left: 158}
		}
		if diff := cmp.Diff(want, survey.Segments(string(r))); diff != "" {
			t.Errorf("%U: -want +got\n%s", r, diff)
		}
	}
}

// naive cuts a text into segments one by one, as a phone would see them.
func naive(text string) (encoding string, segments []int) {
	encoding = survey.GSM7
	for _, r := range text {
		if !strings.ContainsRune(gsmBasic+gsmExtension, r) || r == '\ufffd' {
			encoding = survey.UCS2
		}
	}
	var sizes []int
	total := 0
	for _, r := range text {
		n := len(utf16.Encode([]rune{r}))
		if encoding == survey.GSM7 && strings.ContainsRune(gsmExtension, r) {
			n = 2
		}
		sizes = append(sizes, n)
		total += n
	}
	single, part := 160, 153
	if encoding == survey.UCS2 {
		single, part = 70, 67
	}
	switch {
	case total == 0:
		return encoding, nil
	case total <= single:
		return encoding, []int{total}
	}
	segments = []int{0}
	for _, n := range sizes {
		if last := len(segments) - 1; segments[last]+n <= part {
			segments[last] += n
		} else {
			segments = append(segments, n)
		}
	}
	return encoding, segments
}

func checkSegments(t interface{ Errorf(string, ...any) }, text string) {
	got := survey.Segments(text)
	encoding, segments := naive(text)
	units := 0
	for _, n := range segments {
		units += n
	}
	left := got.Limit
	if len(segments) > 0 {
		left -= segments[len(segments)-1]
	}
	if got.Encoding != encoding || got.Count != len(segments) || got.Units != units || got.Left != left || (encoding == survey.UCS2) != (got.Forcing != nil) {
		t.Errorf("Segments(%q) = %+v; want %s %v", text, got, encoding, segments)
	}
}

func TestSegmentsNaive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		alphabet := rapid.SampledFrom([]string{"ab€", "abč€", "a😀", gsmBasic + gsmExtension, "یa\u200c😀"}).Draw(t, "alphabet")
		checkSegments(t, rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, 500, -1).Draw(t, "text"))
	})
}

func FuzzSegments(f *testing.F) {
	for _, s := range []string{"", "a", strings.Repeat("€", 81), strings.Repeat("😀", 40), "\xff", "čćđ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { checkSegments(t, text) })
}

func TestFold(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, plan, text, want string }{
		{"none", survey.FoldNone, "čćđšž", "čćđšž"},
		{"none composes", survey.FoldNone, "c\u030c", "č"},
		{"unknown is none", "x", "č", "č"},
		{"Croatian", survey.FoldStrip, "ČĆĐŠŽ čćđšž", "CCDSZ ccdsz"},
		{"Serbian", survey.FoldStripDJ, "Đorđe ĐORĐE Đ", "Djordje DJORDJE Dj"},
		{"decomposed", survey.FoldStrip, "c\u030ca", "ca"},
		{"digraphs", survey.FoldStrip, "ǆ ǉ ǌ ǅ", "dz lj nj Dz"},
		{"Polish", survey.FoldStrip, "Zażółć gęślą jaźń ŁÓDŹ", "Zazolc gesla jazn LODZ"},
		{"typography", survey.FoldStrip, "„da” «ne» – ‘a’ … • 2×3™ № a\u00a0b\u200bc", "\"da\" \"ne\" - 'a' ... - 2x3(TM) No a bc"},
		{"what GSM has stays", survey.FoldStrip, "Ä ö ü ß é è ñ å Ø € č", "Ä ö ü ß é è ñ å Ø € c"},
		{"other Latin", survey.FoldStrip, "çáêõ ẞ œuvre ﬁ", "caeo SS oeuvre fi"},
		{"addresses stay", survey.FoldStrip, "šuma https://šuma.hr/č?ž=đ š www.čokolada.hr š", "suma https://šuma.hr/č?ž=đ s www.čokolada.hr s"},
		{"spaces stay", survey.FoldStrip, "š  a\n\nš ", "s  a\n\ns "},
		{"Persian stays", survey.FoldStrip, "«می\u200cخواهم» č …", "«می\u200cخواهم» č …"},
		{"Persian stays in latin", survey.FoldLatin, "آ а", "آ а"},
		{"ASCII stays", survey.FoldStrip, "plain `{", "plain `{"},
		{"Cyrillic", survey.FoldLatin, "абвгдђежзијклљмнњопрстћуфхцчџш", "abvgdđežzijklljmnnjoprstćufhcčdžš"},
		{"Cyrillic capitals", survey.FoldLatin, "АБВГДЂЕЖЗИЈКЛМНОПРСТЋУФХЦЧШ", "ABVGDĐEŽZIJKLMNOPRSTĆUFHCČŠ"},
		{"digraph capitals", survey.FoldLatin, "ЉУБАВ Љубав Љ КОЊ Његош ЏЕП Џеп ИЏ", "LJUBAV Ljubav Lj KONJ Njegoš DŽEP Džep IDŽ"},
		{"other Cyrillic stays", survey.FoldLatin, "й ы а", "й ы a"},
		{"addresses stay in latin", survey.FoldLatin, "на https://пример.срб/а а", "na https://пример.срб/а a"},
		{"both", survey.FoldLatinStrip, "Ђурђевдан ЂАК Шљива", "Djurdjevdan DJAK Sljiva"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := survey.Fold(tt.text, tt.plan)
			if got != tt.want {
				t.Errorf("Fold(%q, %s) = %q; want %q", tt.text, tt.plan, got, tt.want)
			}
			if again := survey.Fold(got, tt.plan); again != got {
				t.Errorf("Fold twice gives %q; want %q", again, got)
			}
		})
	}
}

func TestFoldFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("abc čćđšžČĆĐŠŽ ąęłńóśźż „”–…љњџабвгдђ"))).Draw(t, "text")
		folded := survey.Fold(text, survey.FoldLatinStrip)
		if s := survey.Segments(folded); s.Encoding != survey.GSM7 {
			t.Errorf("Fold(%q) = %q, which needs %s for %q", text, folded, s.Encoding, string(s.Forcing))
		}
	})
}

func FuzzFold(f *testing.F) {
	for _, plan := range survey.FoldPlans() {
		f.Add("Đorđe љубав https://č „x” می\u200cخواهم \xff", plan)
	}
	f.Fuzz(func(t *testing.T, text, plan string) {
		got := survey.Fold(text, plan)
		if (plan == survey.FoldStrip || plan == survey.FoldLatin) && survey.Fold(got, plan) != got {
			t.Errorf("Fold(%q, %s) = %q changes again", text, plan, got)
		}
		if plan == survey.FoldNone && got != norm.NFC.String(text) {
			t.Errorf("Fold(%q, none) = %q", text, got)
		}
	})
}

func BenchmarkSegments(b *testing.B) {
	text := strings.Repeat("plain words of an invitation ", 5)
	b.ReportAllocs()
	for b.Loop() {
		survey.Segments(text)
	}
}
