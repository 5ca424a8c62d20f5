package survey_test

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

func TestReadGolden(t *testing.T) {
	t.Parallel()
	for _, locale := range []string{"en", "hr", "sr-Latn", "sr-Cyrl", "sl", "pl", "fa"} {
		t.Run(locale, func(t *testing.T) {
			t.Parallel()
			lines := golden(t, locale)
			if len(lines) < 40 {
				t.Errorf("%d replies; want 40 or more", len(lines))
			}
			for _, l := range lines {
				got := survey.Read(l.text, l.locale, l.low, l.high)
				if diff := cmp.Diff(l.want, got); diff != "" {
					t.Errorf("Read(%q, %s, %d, %d): -want +got\n%s", l.text, l.locale, l.low, l.high, diff)
				}
			}
		})
	}
}

type goldenLine struct {
	text, locale string
	low, high    int
	want         survey.Reading
}

func golden(t *testing.T, locale string) []goldenLine {
	t.Helper()
	raw, err := fs.ReadFile(os.DirFS("testdata"), "replies."+locale+".tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []goldenLine
	for n, s := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
		if strings.HasPrefix(s, "#") {
			continue
		}
		f := strings.Split(s, "\t")
		if len(f) != 6 {
			t.Fatalf("line %d: %d columns; want 6", n+1, len(f))
		}
		breaks := strings.NewReplacer(`\n`, "\n")
		l := goldenLine{text: breaks.Replace(f[0]), locale: f[1], want: survey.Reading{Comment: breaks.Replace(f[5])}}
		l.low, l.high = number(t, f[2]), number(t, f[3])
		switch f[4] {
		case "maybe":
			l.want.Maybe, l.want.Comment = true, strings.TrimSpace(l.text)
		case "none":
			l.want.Comment = strings.TrimSpace(l.text)
		default:
			l.want.Score, l.want.Sure = number(t, f[4]), true
		}
		out = append(out, l)
	}
	return out
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// zeros are the digits nought of the scripts that people type numbers in.
const zeros = "0٠۰०০੦૦୦௦౦೦൦๐໐༠၀០０"

func TestReadDigitsOfEveryScript(t *testing.T) {
	t.Parallel()
	for _, zero := range zeros {
		for n := range 11 {
			text := string(zero + rune(n))
			if n == 10 {
				text = string([]rune{zero + 1, zero})
			}
			for _, s := range []string{text, text + "!", " " + text + "."} {
				want := survey.Reading{Score: n, Sure: true}
				if got := survey.Read(s, "en", 0, 10); got != want {
					t.Errorf("Read(%q) = %+v; want %+v", s, got, want)
				}
			}
		}
	}
}

// Whatever the locale of the send, a reply in any language is read the same where nothing collides.
func TestReadAnyLocale(t *testing.T) {
	t.Parallel()
	for _, locale := range []string{"", "en", "hr", "sr-Latn", "sr-Cyrl", "sl", "pl", "fa", "de"} {
		for text, n := range map[string]int{"devet": 9, "девет": 9, "dziewięć": 9, "osem": 8, "هشت": 8, "nine": 9, "۹": 9, "10/10": 10} {
			if got := survey.Read(text, locale, 0, 10); !got.Sure || got.Score != n {
				t.Errorf("Read(%q, %q) = %+v; want %d", text, locale, got, n)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, locale := range []string{"en", "hr", "sr-Cyrl", "sl", "pl", "fa"} {
		raw, err := fs.ReadFile(os.DirFS("testdata"), "replies."+locale+".tsv")
		if err != nil {
			f.Fatal(err)
		}
		for s := range strings.SplitSeq(string(raw), "\n") {
			text, _, _ := strings.Cut(s, "\t")
			f.Add(text, locale, 0, 10)
		}
	}
	f.Add("9\xff", "", 1, 5)
	f.Fuzz(func(t *testing.T, text, locale string, low, high int) {
		r := survey.Read(text, locale, low, high)
		switch {
		case r.Sure && (r.Score < low || r.Score > high):
			t.Errorf("Read(%q) = %+v, off the scale %d to %d", text, r, low, high)
		case r.Sure && r.Maybe:
			t.Errorf("Read(%q) = %+v, sure and not sure", text, r)
		case !r.Sure && (r.Score != 0 || r.Comment != strings.TrimSpace(text)):
			t.Errorf("Read(%q) = %+v, not sure but not all words kept", text, r)
		}
		survey.Command(text)
		survey.AutoReply(text)
		survey.Digits(text, locale)
	})
}

func TestCommand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		want  survey.Cmd
		texts []string
	}{
		{"stop", survey.CmdStop, []string{
			"STOP", "stop", " Stop! ", "«STOP»", "stop.", "ＳＴＯＰ", "STOP 🛑", "stop please", "please stop", "Stop sending these", "stop all", "opt-out", "OPTOUT",
			"unsubscribe", "cancel", "odjava", "ODJAVA!", "odjavi me", "Odjavite me, molim", "prekini", "otkaži", "ne želim", "ne šaljite mi više",
			"стоп", "СТОП", "Одјава", "не желим", "откажи", "prekliči", "prosim odjava", "wypisz mnie", "Rezygnuję", "nie chcę", "proszę mnie wypisać",
			"لغو", "لغو۱۱", "لغو 11", "لغو11", "لغو اشتراک", "لغو لطفا", "انصراف", "ل\u200cغو",
		}},
		{"start", survey.CmdStart, []string{"START", "start", "Prijava", "старт", "пријава", "zapisz mnie", "شروع", "unstop"}},
		{"help", survey.CmdHelp, []string{"HELP", "info", "?", "؟", "pomoć", "помоћ", "pomoc", "راهنما"}},
		{"none", survey.CmdNone, []string{
			"", " ", "NE", "no", "NIE", "نه", "yes", "da", "tak", "END", "end", "KONEC", "koniec", "9", "9 stop", "nine", "I could not stop smiling",
			"stop asking me this all the time", "bus stop was far", "otkazi narudžbu", "لغو سفارش", "dobro", "pomoć je bila odlična", "start was slow",
			"STOPNJA zadovoljstva",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, text := range tt.texts {
				if got := survey.Command(text); got != tt.want {
					t.Errorf("Command(%q) = %d; want %d", text, got, tt.want)
				}
			}
		})
	}
}

func TestAutoReply(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Automatic reply: I am away", "Out of office until Monday", "I'm driving right now with Driving Focus turned on.", "Auto-Reply: on holiday",
		"AUTOMATSKI ODGOVOR: na godišnjem sam", "Poštovani, trenutno nisam u uredu.", "Аутоматска порука", "Ово је аутоматска порука.",
		"Samodejni odgovor: odsoten", "Odpowiedź automatyczna: urlop", "Dzień dobry, jestem poza biurem.", "پاسخ خودکار: در مرخصی هستم",
	} {
		if !survey.AutoReply(text) {
			t.Errorf("AutoReply(%q) = false", text)
		}
	}
	for _, text := range []string{
		"", "9", "9 jer su brzi", "The automatic reply was useless", "Kupila sam na godišnjem odmoru", "Vaš automatski odgovor mi nije pomogao",
		"dostawca był nieobecny", "خودکار بود", "I was out of the office when the parcel came",
	} {
		if survey.AutoReply(text) {
			t.Errorf("AutoReply(%q) = true", text)
		}
	}
}

func TestDigits(t *testing.T) {
	t.Parallel()
	if got := survey.Digits("0–10, 2345 6789", "fa"); got != "۰–۱۰, ۲۳۴۵ ۶۷۸۹" {
		t.Errorf("Digits in fa = %q", got)
	}
	if got := survey.Digits("10", "sr-Cyrl"); got != "10" {
		t.Errorf("Digits in sr-Cyrl = %q", got)
	}
}

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		survey.Read("9 jer su brzi i ljubazni", "hr", 0, 10)
	}
}

func ExampleRead() {
	fmt.Printf("%+v\n", survey.Read("9 jer su brzi", "hr", 0, 10))
	fmt.Printf("%+v\n", survey.Read("10 minuta sam čekao", "hr", 0, 10))
	// Output:
	// {Score:9 Sure:true Maybe:false Comment:jer su brzi}
	// {Score:0 Sure:false Maybe:true Comment:10 minuta sam čekao}
}
