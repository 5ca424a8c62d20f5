package respond

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestContrast: whatever colour a shop has, every pair that meets on a page can be read.
func TestContrast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := color{rapid.Float64Range(0, 1).Draw(t, "r"), rapid.Float64Range(0, 1).Draw(t, "g"), rapid.Float64Range(0, 1).Draw(t, "b")}
		light, dark := palettes(c)
		for _, s := range []struct {
			name            string
			p               palette
			ground, surface string
			text            string
		}{{"light", light, lightGround, lightSurface, "20241f"}, {"dark", dark, darkGround, darkSurface, "f2efe9"}} {
			for _, pair := range []struct {
				name string
				a, b color
				want float64
			}{
				{"fill on ground", s.p.fill, mustColor(s.ground), edgeContrast},
				{"fill on surface", s.p.fill, mustColor(s.surface), edgeContrast},
				{"text on fill", s.p.onFill, s.p.fill, textContrast},
				{"ink on ground", s.p.ink, mustColor(s.ground), textContrast},
				{"ink on surface", s.p.ink, mustColor(s.surface), textContrast},
				{"ink on tint", s.p.ink, s.p.soft, textContrast},
				{"text on tint", mustColor(s.text), s.p.soft, textContrast},
			} {
				if got := contrast(pair.a, pair.b); got < pair.want {
					t.Errorf("#%s, %s, %s: %.2f, want %.1f", c.hex(), s.name, pair.name, got, pair.want)
				}
			}
		}
	})
}

func TestGoodColourStays(t *testing.T) {
	t.Parallel()
	light, _ := palettes(mustColor("1f6f5c"))
	if got := light.fill.hex(); got != "1f6f5c" {
		t.Errorf("a colour with enough contrast became #%s", got)
	}
}

// TestTokensAgree: the grounds here are those of the sheet.
func TestTokensAgree(t *testing.T) {
	t.Parallel()
	css, err := files.ReadFile("static/survey.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--bg:#" + lightGround, "--surface:#fff;", "--bg:#" + darkGround, "--surface:#" + darkSurface} {
		if !strings.Contains(string(css), want) {
			t.Errorf("survey.css lacks %s", want)
		}
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 23, 0, 0, 0, time.UTC) }
	tests := []struct {
		name, locale, digits string
		t                    time.Time
		want                 string
	}{
		{"English", "en", "", day(2026, 11, 27), "27\u00a0November\u00a02026"},
		{"Croatian", "hr", "", day(2026, 11, 27), "27.\u00a0studenoga 2026."},
		{"Serbian", "sr-Cyrl", "", day(2026, 1, 2), "2.\u00a0јануара 2026."},
		{"Polish", "pl", "", day(2026, 9, 1), "1\u00a0września 2026"},
		{"another", "de", "", day(2026, 3, 1), "1\u00a0March\u00a02026"},
		{"Nowruz", "fa", "۰۱۲۳۴۵۶۷۸۹", day(2026, 3, 21), "۱ فروردین ۱۴۰۵"},
		{"day before Nowruz", "fa", "", day(2026, 3, 20), "29 اسفند 1404"},
		{"leap day", "fa", "", day(2025, 3, 20), "30 اسفند 1403"},
		{"after the leap day", "fa", "", day(2025, 3, 21), "1 فروردین 1404"},
		{"leap day after five years", "fa", "", day(2030, 3, 20), "30 اسفند 1408"},
		{"autumn", "fa", "", day(2026, 9, 23), "1 مهر 1405"},
		{"long ago", "fa", "", day(1979, 2, 11), "22 بهمن 1357"},
		{"never", "hr", "", time.Time{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (Locale{ID: tt.locale, Digits: tt.digits}).date(tt.t); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWord(t *testing.T) {
	t.Parallel()
	l := Locale{ID: "hr", Words: map[string]string{"a": "do {date}. {x}", "wordTooLong": ""}}
	if got := l.word("a", "date", "27. 11. 2026.", "x", "{date}"); got != "do 27. 11. 2026. {date}" {
		t.Errorf("got %q", got)
	}
	for _, locale := range []string{"en", "hr", "sr-Latn", "sr-Cyrl", "sl", "pl", "fa", "de"} {
		if (Locale{ID: locale}).word(wordTooLong) == "" || (Locale{ID: locale}).word(wordNotText) == "" {
			t.Errorf("%s lacks a word of this package", locale)
		}
	}
}

func TestDecodeForm(t *testing.T) {
	t.Parallel()
	part := "--x\r\nContent-Disposition: form-data; name=\"all\"\r\n\r\n1\r\n"
	tests := []struct {
		name, contentType, body string
		err                     error
		all                     string
	}{
		{"form", "application/x-www-form-urlencoded; charset=utf-8", "all=1", nil, "1"},
		{"no type", "", "all=1", nil, "1"},
		{"multipart", "multipart/form-data; boundary=x", part + "--x--\r\n", nil, "1"},
		{"cut multipart", "multipart/form-data; boundary=x", part[:20], errUnreadable, ""},
		{"no boundary", "multipart/form-data", part, errUnreadable, ""},
		{"endless parts", "multipart/form-data; boundary=x", strings.Repeat(part, maxParts+1) + "--x--\r\n", errUnreadable, ""},
		{"file", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"all\"; filename=\"a\"\r\n\r\n1\r\n--x--\r\n", nil, ""},
		{"JSON", "application/json", "{}", errUnreadable, ""},
		{"no type at all", "/;=", "", errUnreadable, ""},
		{"large", "", strings.Repeat("x", maxBody+1), errTooLarge, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := decodeForm(tt.contentType, []byte(tt.body))
			if !errors.Is(err, tt.err) || v.Get("all") != tt.all {
				t.Errorf("got %v, %v; want %q, %v", v, err, tt.all, tt.err)
			}
		})
	}
}

func FuzzDecodeForm(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", []byte("a=b&c=%41"))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n"))
	f.Add("multipart/form-data", []byte("--\r\n"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		v, err := decodeForm(contentType, body)
		if (err == nil) != (v != nil) {
			t.Errorf("values %v with error %v", v, err)
		}
		text, err := readComment(v.Get("comment"))
		if err == nil && (len(text) > 4*maxComment || strings.ContainsRune(text, 0)) {
			t.Errorf("comment %q passed", text)
		}
	})
}
