package survey

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"
)

//go:embed data/*.txt
var atlasFiles embed.FS

// An Atlas knows where phones are, and what a country's calendar says. It never changes, and may be shared. A nil one knows
// nothing.
type Atlas struct {
	phones    map[string]phoneArea // by the digits that a number begins with
	longest   int                  // digits of such a beginning
	countries map[string]*country  // by ISO 3166 code
	ofZone    map[string]*country  // by IANA zone, where only one country of the data uses it
	zones     sync.Map             // *time.Location by name: of requests
}

// A phoneArea is where the numbers with one beginning are.
type phoneArea struct {
	country *country
	zones   []*time.Location // never empty; more than one when the number does not tell
}

// A country is what the data know of it.
type country struct {
	code     string
	holidays map[date]bool
	rules    []holidayRule
	known    [2]int // first and last year of holidays; 0 = none are known
	hours    []legalHours
}

// LoadAtlas reads the data that the program carries.
func LoadAtlas() (*Atlas, error) {
	dir, err := fs.Sub(atlasFiles, "data")
	if err != nil {
		return nil, err
	}
	return newAtlas(dir)
}

func newAtlas(dir fs.FS) (*Atlas, error) {
	a := &Atlas{phones: map[string]phoneArea{}, countries: map[string]*country{}, ofZone: map[string]*country{}}
	for _, f := range []struct {
		name string
		read func([]string) error
	}{{"phones.txt", a.readPhones}, {"holidays.txt", a.readHoliday}, {"hours.txt", a.readHours}} {
		text, err := fs.ReadFile(dir, f.name)
		if err != nil {
			return nil, err
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			line, _, _ = strings.Cut(line, "#")
			fields := strings.Fields(line)
			if len(fields) == 0 {
				continue
			}
			if err := f.read(fields); err != nil {
				return nil, fmt.Errorf("%s line %d: %w", f.name, n, err)
			}
		}
	}
	return a, nil
}

func (a *Atlas) country(code string) *country {
	c := a.countries[code]
	if c == nil {
		c = &country{code: code, holidays: map[date]bool{}}
		a.countries[code] = c
	}
	return c
}

// readPhones takes a line «country zone,zone code area area»: the numbers of a calling code, or those of some of its areas.
func (a *Atlas) readPhones(f []string) error {
	if len(f) < 3 || len(f[0]) != 2 {
		return fmt.Errorf("%q is not: country zones code [areas]", strings.Join(f, " "))
	}
	area := phoneArea{country: a.country(f[0])}
	for name := range strings.SplitSeq(f[1], ",") {
		zone, err := a.zone(name)
		if err != nil {
			return err
		}
		area.zones = append(area.zones, zone)
		if c, ok := a.ofZone[name]; ok && c != area.country {
			a.ofZone[name] = nil
		} else {
			a.ofZone[name] = area.country
		}
	}
	areas := f[3:]
	if len(areas) == 0 {
		areas = []string{""}
	}
	for _, digits := range areas {
		digits = f[2] + digits
		if _, ok := a.phones[digits]; ok || strings.Trim(digits, "0123456789") != "" {
			return fmt.Errorf("%q is there twice or is no number", digits)
		}
		a.phones[digits] = area
		a.longest = max(a.longest, len(digits))
	}
	return nil
}

// zone is the location of a name. time.LoadLocation reads a file each time.
func (a *Atlas) zone(name string) (*time.Location, error) {
	if a == nil {
		return time.LoadLocation(name)
	}
	if z, ok := a.zones.Load(name); ok {
		return z.(*time.Location), nil
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	a.zones.Store(name, z)
	return z, nil
}

// area is where a number in E.164 is; false when nobody knows.
func (a *Atlas) area(phone string) (phoneArea, bool) {
	digits, ok := strings.CutPrefix(phone, "+")
	if a == nil || !ok {
		return phoneArea{}, false
	}
	for n := min(a.longest, len(digits)); n > 0; n-- {
		if area, ok := a.phones[digits[:n]]; ok {
			return area, true
		}
	}
	return phoneArea{}, false
}

// A place is where a recipient lives as far as it is known.
type place struct {
	zones   []*time.Location // never empty; the message waits until it is day in all of them
	from    string           // request, phone or brand
	country *country         // nil = unknown
}

// place finds the recipient's zone: of the request, else of the phone, else the brand's. The country, for holidays and legal
// hours, is the phone's, else the zone's.
func (a *Atlas) place(r Recipient, brand *time.Location) place {
	p := place{from: "brand", zones: []*time.Location{brand}}
	if brand == nil {
		p.zones[0] = time.UTC
	}
	area, known := a.area(r.Phone)
	if known {
		p.from, p.zones, p.country = "phone", area.zones, area.country
	}
	if r.Timezone != "" {
		if z, err := a.zone(r.Timezone); err == nil {
			p.from, p.zones = "request", []*time.Location{z}
		}
	}
	if p.country == nil && a != nil {
		p.country = a.ofZone[p.zones[0].String()]
	}
	return p
}

// Zone is where the recipient lives, as Decide sees it; of several zones the first.
func (a *Atlas) Zone(r Recipient, brand *time.Location) *time.Location {
	return a.place(r, brand).zones[0]
}

// Countries lists the countries whose holidays are known, and the years for which they are.
func (a *Atlas) Countries() map[string][2]int {
	out := map[string][2]int{}
	for code, c := range a.countries {
		if c.known[0] > 0 {
			out[code] = c.known
		}
	}
	return out
}
