package templates

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

func newPacks(t testing.TB) map[string]*Pack {
	t.Helper()
	packs, err := LoadPacks()
	if err != nil {
		t.Fatal(err)
	}
	return packs
}

func TestLoadPacks(t *testing.T) {
	t.Parallel()
	packs := newPacks(t)
	if len(packs) != len(Locales()) {
		t.Errorf("%d packs, want %d", len(packs), len(Locales()))
	}
	for locale, p := range packs {
		if p.RTL != (locale == "fa") {
			t.Errorf("%s: RTL = %t", locale, p.RTL)
		}
	}
	if got, want := packs["hr"].Word("send_score", "score", "9"), "9"; !strings.Contains(got, want) || strings.Contains(got, "{") {
		t.Errorf("send_score = %q, want one with %q", got, want)
	}
	if got := packs["fa"].Number("10"); got != "۱۰" {
		t.Errorf("Number = %q", got)
	}
}

func TestPackFaults(t *testing.T) {
	t.Parallel()
	en, err := os.ReadFile("builtin/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, replacement string) string {
		s := strings.Replace(string(en), old, replacement, 1)
		if s == string(en) {
			t.Fatalf("%q is not in the pack", old)
		}
		return s
	}
	tests := []struct{ name, pack, want string }{
		{"word missing", edit("  skip: Skip\n", ""), "page.skip is missing"},
		{"word unknown", edit("  skip: Skip\n", "  skip: Skip\n  hop: Hop\n"), "page.hop is not a word"},
		{"placeholder unknown", edit("Send score {score}", "Send score {skore}"), "page.send_score: unknown placeholder {skore}"},
		{"member unknown", edit("dir: ltr", "direction: ltr"), "direction"},
		{"direction unknown", edit("dir: ltr", "dir: up"), `dir is "up"`},
		{"digits short", edit(`"0123456789"`, `"012345678"`), "digits has 9"},
		{"fold unknown", edit("sms_fold: none", "sms_fold: squash"), `sms_fold is "squash"`},
		{"message missing", edit(`    - {kind: scale.high, channel: web, text: "very likely"}`+"\n", ""), "nps-after-purchase: scale.high for web is missing"},
		{"message doubled", edit("kind: scale.high", "kind: scale.low"), "scale.low for web is unknown or doubled"},
		{"survey missing", edit("ces-after-return:", "ces-after-birth:"), "surveys.ces-after-return is missing"},
		{"other locale", edit("locale: en", "locale: xx"), `locale is "xx"`},
		{"no YAML", "locale: [", "builtin/en.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := loadPacks(fstest.MapFS{"builtin/en.yaml": {Data: []byte(tt.pack)}}, survey.Builtin())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if err != nil && !strings.Contains(err.Error(), "builtin/hr.yaml is missing") {
				t.Errorf("error %v does not name the missing packs", err)
			}
		})
	}
}

func TestBuiltinReleases(t *testing.T) {
	t.Parallel()
	releases := BuiltinReleases(newPacks(t), survey.Builtin())
	if len(releases) != 3 {
		t.Fatalf("%d releases, want 3", len(releases))
	}
	for _, r := range releases {
		if want := len(Slots()) * len(Locales()); len(r.Texts) != want || r.Version != 1 {
			t.Errorf("%s: %d texts, version %d; want %d, 1", r.Survey, len(r.Texts), r.Version, want)
		}
	}
}

func TestMatchLocale(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // want → locale, "" = none
		"en": "en", "EN-gb": "en", "en_US": "en", "hr": "hr", "hr-HR": "hr", "HR_hr": "hr", "hr-Latn-HR": "hr", "hr-Cyrl": "",
		"bs": "hr", "bs-Latn-BA": "hr", "bs-Cyrl": "sr-Cyrl", "sr": "sr-Latn", "sr-RS": "sr-Latn", "sr-ME": "sr-Latn",
		"sr_latn": "sr-Latn", "sr-Cyrl": "sr-Cyrl", "SR-CYRL-rs": "sr-Cyrl", "sr_Cyrl_ME": "sr-Cyrl", "sh": "sr-Latn",
		"cnr": "sr-Latn", "cnr-ME": "sr-Latn", "cnr-Cyrl": "sr-Cyrl", "mk": "", "mk-MK": "", "sl": "sl", "sl-SI": "sl",
		"pl": "pl", "pl_PL": "pl", "fa": "fa", "fa-IR": "fa", "fa-AF": "fa", "prs": "fa", "fa-Latn": "", "tg": "",
		"de": "", "": "", "-": "", "hr-": "", "hr--HR": "", "english": "", "hr-!!": "", "h": "", " hr ": "hr",
	}
	for want, locale := range tests {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got, ok := MatchLocale(want); got != locale && ok || ok != (locale != "") {
				t.Errorf("MatchLocale(%q) = %q, %t; want %q", want, got, ok, locale)
			}
		})
	}
}

func TestPalette(t *testing.T) {
	t.Parallel()
	for _, color := range []string{"", "#1f6f5c", "#8a2f4b", "#ffffff", "#000", "#ffff00", "#ff0000", "#7f7f7f", "no color"} {
		t.Run(color, func(t *testing.T) {
			t.Parallel()
			p := PaletteOf(color)
			if p.Unreadable != (color == "no color") {
				t.Errorf("Unreadable = %t", p.Unreadable)
			}
			for _, pair := range []struct {
				name, a, b string
				least      float64
			}{
				{"text on fill", p.On, p.Fill, 4.5},
				{"ink on soft", p.Ink, p.Soft, 4.5},
				{"edge on white", p.Edge, "#ffffff", 3},
				{"text on dark fill", p.DarkOn, p.DarkFill, 4.5},
				{"white on dark soft", "#ffffff", p.DarkSoft, 4.5},
				{"dark fill on dark soft", p.DarkFill, p.DarkSoft, 3},
				{"dark ink on surface", p.DarkInk, "#1c2220", 4.5},
			} {
				a, okA := parseColor(pair.a)
				b, okB := parseColor(pair.b)
				if !okA || !okB || contrast(a, b) < pair.least {
					t.Errorf("%s: %s on %s has %.2f, want %.1f", pair.name, pair.a, pair.b, contrast(a, b), pair.least)
				}
			}
		})
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	const moment = "2026-11-16T23:30:00+01:00"
	tests := []struct{ name, format, locale, want string }{
		{"Croatian", "long", "hr", "16. studenoga 2026."},
		{"Serbian", "long", "sr-Latn", "16. novembar 2026."},
		{"Serbian in Cyrillic", "long", "sr-Cyrl", "16. новембар 2026."},
		{"Slovenian", "long", "sl", "16. november 2026"},
		{"Polish", "long", "pl", "16 listopada 2026"},
		{"Persian", "long", "fa", "۲۵ آبان ۱۴۰۵"},
		{"English", "long", "en", "16 November 2026"},
		{"no names", "long", "de", "16 November 2026"},
		{"short", "short", "hr", "16. 11. 2026."},
		{"short Persian", "short", "fa", "۱۴۰۵/۰۸/۲۵"},
		{"strftime", "%d.%m.%Y. %H:%M, %A %-d %B %% %q", "hr", "16.11.2026. 23:30, ponedjeljak 16 studenoga % %q"},
		{"strftime with a width", "%999999999d", "en", "%999999999d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := formatDate(moment, tt.format, tt.locale); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for _, d := range [][2][3]int{ // checked against ICU
		{{2026, 3, 21}, {1405, 1, 1}},
		{{2025, 3, 20}, {1403, 12, 30}},
		{{2024, 3, 20}, {1403, 1, 1}},
		{{1979, 2, 11}, {1357, 11, 22}},
		{{1799, 3, 20}, {1177, 12, 30}},
		{{2200, 1, 1}, {1578, 10, 11}},
	} {
		y, m, day := jalali(d[0][0], d[0][1], d[0][2])
		if diff := cmp.Diff(d[1], [3]int{y, m, day}); diff != "" {
			t.Errorf("%v: %s", d[0], diff)
		}
	}
}
