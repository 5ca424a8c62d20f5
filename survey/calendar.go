package survey

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A holidayRule gives one holiday of each year from From to To.
type holidayRule struct {
	from, to int // years; to = 9999: still in force
	easter   func(year int) date
	offset   int        // days after Easter
	month    time.Month // of a fixed date when easter is nil
	day      int
}

func (r holidayRule) in(year int) (date, bool) {
	if year < r.from || year > r.to {
		return date{}, false
	}
	if r.easter != nil {
		return r.easter(year).add(r.offset), true
	}
	return newDate(year, r.month, r.day), true
}

// legalHours are when a country allows messages.
type legalHours struct {
	days     [7]bool
	holidays bool // the row is about public holidays, whatever the day of the week
	closed   bool
	hours    span
}

// holiday reports whether a day is a public holiday, as far as the data go.
func (c *country) holiday(d date) bool {
	if c == nil {
		return false
	}
	if c.holidays[d] {
		return true
	}
	year := d.midnight.Year()
	if year < c.known[0] || year > c.known[1] {
		return false
	}
	for _, r := range c.rules {
		if h, ok := r.in(year); ok && h == d {
			return true
		}
	}
	return false
}

// legal gives the hours of a day in which the country allows messages; false when it sets none. An empty span is a closed day.
func (c *country) legal(d date) (span, bool) {
	if c == nil || len(c.hours) == 0 {
		return span{}, false
	}
	found, hours := false, span{0, wholeDay}
	for _, h := range c.hours {
		if h.holidays && !c.holiday(d) || !h.holidays && !h.days[d.weekday()] {
			continue
		}
		found = true
		if h.closed {
			return span{}, true
		}
		hours = span{max(hours.from, h.hours.from), min(hours.to, h.hours.to)}
	}
	return hours, found
}

// readHoliday takes one of
//
//	HR years 2026 2028           the years for which the list is complete
//	HR 01-06                     each year
//	HR easter+1, HR pascha+1     days after Western and Orthodox Easter
//	IR 2026-03-21                that day alone
//
// with «from 2025» or «until 2027» after a yearly one.
func (a *Atlas) readHoliday(f []string) error {
	bad := fmt.Errorf("%q is not a line of holidays", strings.Join(f, " "))
	if len(f) < 2 || len(f[0]) != 2 {
		return bad
	}
	c := a.country(f[0])
	if f[1] == "years" && len(f) == 4 {
		from, errFrom := strconv.Atoi(f[2])
		to, errTo := strconv.Atoi(f[3])
		if errFrom != nil || errTo != nil || from > to {
			return bad
		}
		c.known = [2]int{from, to}
		return nil
	}
	if t, err := time.Parse(time.DateOnly, f[1]); err == nil && len(f) == 2 {
		c.holidays[date{t}] = true
		return nil
	}
	r := holidayRule{from: 1, to: 9999}
	for i := 2; i < len(f); i += 2 {
		year, err := strconv.Atoi(f[min(i+1, len(f)-1)])
		if err != nil || f[i] != "from" && f[i] != "until" {
			return bad
		}
		if f[i] == "from" {
			r.from = year
		} else {
			r.to = year
		}
	}
	if !r.parseDay(f[1]) {
		return bad
	}
	c.rules = append(c.rules, r)
	return nil
}

func (r *holidayRule) parseDay(s string) bool {
	for name, easter := range map[string]func(int) date{"easter": westernEaster, "pascha": orthodoxEaster} {
		if offset, ok := strings.CutPrefix(s, name); ok {
			r.easter = easter
			n, err := strconv.Atoi(offset)
			r.offset = n
			return err == nil
		}
	}
	t, err := time.Parse("01-02", s)
	r.month, r.day = t.Month(), t.Day()
	return err == nil
}

// readHours takes a line «FR mon-fri 08:00-22:00», «FR sun,holiday closed».
func (a *Atlas) readHours(f []string) error {
	bad := fmt.Errorf("%q is not: country days hours", strings.Join(f, " "))
	if len(f) != 3 || len(f[0]) != 2 {
		return bad
	}
	c := a.country(f[0])
	var hours span
	if f[2] != "closed" {
		var h, m, h2, m2 int
		if _, err := fmt.Sscanf(f[2], "%2d:%2d-%2d:%2d", &h, &m, &h2, &m2); err != nil {
			return bad
		}
		hours = span{h*60 + m, h2*60 + m2}
		if hours.from >= hours.to || hours.to > wholeDay {
			return bad
		}
	}
	for part := range strings.SplitSeq(f[1], ",") {
		row := legalHours{closed: f[2] == "closed", hours: hours, holidays: part == "holiday"}
		if !row.holidays {
			days, ok := Weekdays(part)
			if !ok {
				return bad
			}
			for _, d := range days {
				row.days[d] = true
			}
		}
		c.hours = append(c.hours, row)
	}
	return nil
}

// Weekdays reads a day of the week or a range of them: mon, mon-fri, sat-mon. False when it is neither.
func Weekdays(s string) ([]time.Weekday, bool) {
	from, to, isRange := strings.Cut(s, "-")
	a, ok := weekday(from)
	if !ok {
		return nil, false
	}
	b := a
	if isRange {
		if b, ok = weekday(to); !ok {
			return nil, false
		}
	}
	days := []time.Weekday{a}
	for d := a; d != b; {
		d = (d + 1) % 7
		days = append(days, d)
	}
	return days, true
}

func weekday(s string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(s, d.String()[:3]) {
			return d, true
		}
	}
	return 0, false
}

// westernEaster is Easter Sunday of the Gregorian calendar: the Sunday after the full moon of the tables on or after 21 March.
//
// Source: the table of epacts in the bull Inter gravissimas (1582), as arithmetic.
func westernEaster(year int) date {
	golden := year % 19
	century := year / 100
	// The moon's age, corrected for the leap days that centuries drop and for the moon's drift.
	epact := (century - century/4 - (8*century+13)/25 + 19*golden + 15) % 30
	if epact == 29 || epact == 28 && golden > 10 {
		epact--
	}
	full := newDate(year, time.March, 21+epact)
	return full.add(7 - int(full.weekday()))
}

// orthodoxEaster is Easter Sunday of the Julian calendar, as a date of the Gregorian one.
//
// Source: the Alexandrian cycle of 19 years; the calendars are 13 days apart from 1900 to 2099.
func orthodoxEaster(year int) date {
	full := newDate(year, time.March, 21+(19*(year%19)+15)%30+13)
	return full.add(7 - int(full.weekday()))
}
