package survey

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// Easter by the published tables of both churches.
func TestEaster(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		year             int
		western, eastern string
	}{
		{"earliest Western of these years", 2008, "03-23", "04-27"},
		{"epact 28 with a great golden number", 1954, "04-18", "04-25"},
		{"epact 29", 1981, "04-19", "04-26"},
		{"2019", 2019, "04-21", "04-28"},
		{"2024", 2024, "03-31", "05-05"},
		{"both on one day", 2025, "04-20", "04-20"},
		{"2026", 2026, "04-05", "04-12"},
		{"2027", 2027, "03-28", "05-02"},
		{"2028", 2028, "04-16", "04-16"},
		{"2029", 2029, "04-01", "04-08"},
		{"2030", 2030, "04-21", "04-28"},
		{"latest Western", 2038, "04-25", "04-25"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, e := westernEaster(tt.year).midnight.Format("01-02"), orthodoxEaster(tt.year).midnight.Format("01-02")
			if w != tt.western || e != tt.eastern {
				t.Errorf("Easter %d: Western %s, Orthodox %s; want %s, %s", tt.year, w, e, tt.western, tt.eastern)
			}
		})
	}
}

// The rules give the days that were compared with another source, every day of every year that is said to be known.
func TestHolidays(t *testing.T) {
	t.Parallel()
	a, err := LoadAtlas()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/holidays.tsv")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(text)) {
		code, days, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || strings.HasPrefix(code, "#") {
			continue
		}
		f := strings.Fields(days)
		first, err := time.Parse("2006", f[0])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for d := (date{first}); d.midnight.Year() == first.Year(); d = d.add(1) {
			if a.countries[code].holiday(d) {
				got = append(got, d.midnight.Format("01-02"))
			}
		}
		if have, want := strings.Join(got, " "), strings.Join(f[1:], " "); have != want {
			t.Errorf("%s %s:\n got %s\nwant %s", code, f[0], have, want)
		}
		seen[code]++
	}
	for code, years := range a.Countries() {
		if n := years[1] - years[0] + 1; seen[code] != n {
			t.Errorf("%s: %d years are known, %d are checked", code, n, seen[code])
		}
	}
}

// The zones of the data exist, and of every calling code some number is known.
func TestAtlasOfPhones(t *testing.T) {
	t.Parallel()
	a, err := LoadAtlas()
	if err != nil {
		t.Fatal(err)
	}
	if len(a.phones) < 700 {
		t.Errorf("%d beginnings of numbers are known", len(a.phones))
	}
	tests := []struct{ name, phone, country, zone, from string }{
		{"longest match", "+77012345678", "KZ", "Asia/Almaty", "phone"},
		{"Canada", "+14165550123", "CA", "America/Toronto", "phone"},
		{"Puerto Rico", "+17875550123", "PR", "America/Puerto_Rico", "phone"},
		{"Darwin", "+61889123456", "AU", "Australia/Darwin", "phone"},
		{"Canary Islands", "+34922123456", "ES", "Atlantic/Canary", "phone"},
		{"no country", "+8881234567", "", "UTC", "brand"},
		{"no number", "", "", "UTC", "brand"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := a.place(Recipient{Phone: tt.phone}, nil)
			code := ""
			if p.country != nil {
				code = p.country.code
			}
			if code != tt.country || p.zones[0].String() != tt.zone || p.from != tt.from {
				t.Errorf("%s: %s, %s from %s; want %s, %s from %s", tt.phone, code, p.zones[0], p.from, tt.country, tt.zone, tt.from)
			}
		})
	}
	// The zone tells the country where the phone does not.
	brand, err := time.LoadLocation("Europe/Zagreb")
	if err != nil {
		t.Fatal(err)
	}
	if p := a.place(Recipient{Email: "ana@example.hr"}, brand); p.country == nil || p.country.code != "HR" {
		t.Errorf("a brand in Zagreb keeps no Croatian holidays: %+v", p.country)
	}
}

func TestAtlasRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, line string }{
		{"no such zone", "phones.txt", "HR Europe/Zagred 385"},
		{"a line too short", "phones.txt", "HR Europe/Zagreb"},
		{"no number", "phones.txt", "HR Europe/Zagreb 38x"},
		{"a number twice", "phones.txt", "HR Europe/Zagreb 385\nHR Europe/Zagreb 38 5"},
		{"no date", "holidays.txt", "HR 13-01"},
		{"no word", "holidays.txt", "HR 01-06 since 2020"},
		{"half a condition", "holidays.txt", "HR 01-06 from"},
		{"years the wrong way", "holidays.txt", "HR years 2028 2026"},
		{"no offset", "holidays.txt", "HR easterx"},
		{"no day", "hours.txt", "HR someday 08:00-20:00"},
		{"hours the wrong way", "hours.txt", "HR mon 20:00-08:00"},
		{"no hours", "hours.txt", "HR mon often"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := fstest.MapFS{"phones.txt": {}, "holidays.txt": {}, "hours.txt": {}}
			dir[tt.file] = &fstest.MapFile{Data: []byte("# comment\n" + tt.line + "\n")}
			if _, err := newAtlas(dir); err == nil || !strings.Contains(err.Error(), tt.file+" line ") {
				t.Errorf("%q was taken: %v", tt.line, err)
			}
		})
	}
}
