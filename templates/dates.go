package templates

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// months are the names of the months as they stand after a day, by locale; weekdays from Sunday. fa has the months
// of the Solar Hijri calendar.
var months = map[string][12]string{ //nolint:gochecknoglobals // a table
	"en":      {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	"hr":      {"siječnja", "veljače", "ožujka", "travnja", "svibnja", "lipnja", "srpnja", "kolovoza", "rujna", "listopada", "studenoga", "prosinca"},
	"sr-Latn": {"januar", "februar", "mart", "april", "maj", "jun", "jul", "avgust", "septembar", "oktobar", "novembar", "decembar"},
	"sr-Cyrl": {"јануар", "фебруар", "март", "април", "мај", "јун", "јул", "август", "септембар", "октобар", "новембар", "децембар"},
	"sl":      {"januar", "februar", "marec", "april", "maj", "junij", "julij", "avgust", "september", "oktober", "november", "december"},
	"pl":      {"stycznia", "lutego", "marca", "kwietnia", "maja", "czerwca", "lipca", "sierpnia", "września", "października", "listopada", "grudnia"},
	"fa":      {"فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"},
}

var weekdays = map[string][7]string{ //nolint:gochecknoglobals // a table
	"en":      {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
	"hr":      {"nedjelja", "ponedjeljak", "utorak", "srijeda", "četvrtak", "petak", "subota"},
	"sr-Latn": {"nedelja", "ponedeljak", "utorak", "sreda", "četvrtak", "petak", "subota"},
	"sr-Cyrl": {"недеља", "понедељак", "уторак", "среда", "четвртак", "петак", "субота"},
	"sl":      {"nedelja", "ponedeljek", "torek", "sreda", "četrtek", "petek", "sobota"},
	"pl":      {"niedziela", "poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota"},
	"fa":      {"یکشنبه", "دوشنبه", "سه\u200cشنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه"},
}

const persianDigits = "۰۱۲۳۴۵۶۷۸۹"

// FormatDate writes the day of t in words, as the locale does, in the zone of t: «16. studenoga 2026.», «۲۵ آبان
// ۱۴۰۵». A locale without names takes the English ones. The zero time is "".
func FormatDate(t time.Time, locale string) string {
	if t.IsZero() {
		return ""
	}
	y, m, d := t.Year(), int(t.Month()), t.Day()
	if locale == "fa" {
		y, m, d = jalali(y, m, d)
		return localDigits(fmt.Sprintf("%d %s %d", d, months["fa"][m-1], y), persianDigits)
	}
	names, ok := months[locale]
	if !ok {
		names = months["en"]
	}
	day, year := strconv.Itoa(d), strconv.Itoa(y)
	switch locale {
	case "hr", "sr-Latn", "sr-Cyrl":
		return day + ". " + names[m-1] + " " + year + "."
	case "sl":
		return day + ". " + names[m-1] + " " + year
	default:
		return day + " " + names[m-1] + " " + year
	}
}

// shortDate writes the day of t in digits, as the locale does.
func shortDate(t time.Time, locale string) string {
	y, m, d := t.Year(), int(t.Month()), t.Day()
	switch locale {
	case "fa":
		y, m, d = jalali(y, m, d)
		return localDigits(fmt.Sprintf("%d/%02d/%02d", y, m, d), persianDigits)
	case "hr", "sr-Latn", "sr-Cyrl":
		return fmt.Sprintf("%d. %d. %d.", d, m, y)
	case "sl":
		return fmt.Sprintf("%d. %d. %d", d, m, y)
	case "pl":
		return fmt.Sprintf("%02d.%02d.%d", d, m, y)
	default:
		return fmt.Sprintf("%02d/%02d/%d", d, m, y)
	}
}

// jalali is a day of the Gregorian calendar in the Solar Hijri one. The rule of leap years holds from 1178 to 1633,
// which is 1799 to 2254.
func jalali(gy, gm, gd int) (y, m, d int) {
	// Days since 1 Farvardin 1178, which was 21 March 1799.
	const day = 24 * 60 * 60
	days := int((time.Date(gy, time.Month(gm), gd, 0, 0, 0, 0, time.UTC).Unix() -
		time.Date(1799, 3, 21, 0, 0, 0, 0, time.UTC).Unix()) / day)
	y = 1178
	for days < 0 {
		y--
		days += jalaliYear(y)
	}
	for days >= jalaliYear(y) {
		days -= jalaliYear(y)
		y++
	}
	if days < 6*31 {
		return y, days/31 + 1, days%31 + 1
	}
	days -= 6 * 31
	return y, days/30 + 7, days%30 + 1
}

func jalaliYear(y int) int {
	if (25*y+11)%33 < 8 {
		return 366
	}
	return 365
}

// formatDate is the date filter: value is RFC 3339 or a plain date, format is long, short or strftime's. What is no
// date stays as it is.
func formatDate(value, format, locale string) string {
	t, ok := parseDate(value)
	if !ok {
		return value
	}
	switch format {
	case "long", "":
		return FormatDate(t, locale)
	case "short":
		return shortDate(t, locale)
	}
	y, m, d := t.Year(), int(t.Month()), t.Day()
	if locale == "fa" {
		y, m, d = jalali(y, m, d)
	}
	month, ok := months[locale]
	if !ok {
		month = months["en"]
	}
	weekday, ok := weekdays[locale]
	if !ok {
		weekday = weekdays["en"]
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		width := "%02d"
		if format[i] == '-' && i+1 < len(format) {
			width = "%d"
			i++
		}
		switch format[i] {
		case 'Y':
			b.WriteString(strconv.Itoa(y))
		case 'y':
			fmt.Fprintf(&b, width, y%100)
		case 'm':
			fmt.Fprintf(&b, width, m)
		case 'd':
			fmt.Fprintf(&b, width, d)
		case 'e':
			b.WriteString(strconv.Itoa(d))
		case 'B', 'b':
			b.WriteString(month[m-1])
		case 'A', 'a':
			b.WriteString(weekday[t.Weekday()])
		case 'H':
			fmt.Fprintf(&b, width, t.Hour())
		case 'M':
			fmt.Fprintf(&b, width, t.Minute())
		case '%':
			b.WriteByte('%')
		default:
			b.WriteString(format[i-1 : i+1])
		}
	}
	if locale == "fa" {
		return localDigits(b.String(), persianDigits)
	}
	return b.String()
}

func parseDate(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if s == "now" || s == "today" { // a message says the same whenever it is made
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
