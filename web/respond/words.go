package respond

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

// A Locale is a language of the pages.
type Locale struct {
	ID     string            // BCP 47
	Name   string            // in its own language
	Dir    string            // ltr or rtl; "" is ltr
	Digits string            // its ten digits from nought; "" is ASCII
	Words  map[string]string // by the keys of Keys; {x} is a place for a value
}

// Keys lists the words that a Locale must have.
func Keys() []string {
	return []string{
		"send", "send_score", "not_sent_yet", "choose_score", "choose_first", "comment_label", "comment_hint", "send_comment",
		"finish_without", "thanks_title", "saved", "change_until", "expired_title", "expired_text", "answered_title",
		"answered_text", "answered_score", "change_score", "unsubscribe", "unsubscribe_title", "unsubscribe_text",
		"unsubscribe_confirm", "unsubscribe_all", "unsubscribed_title", "unsubscribed_text", "back_to_survey",
		"unknown_title", "unknown_text", "problem_title", "problem_text", "why_you_get_this", "language", "score_of",
	}
}

// check names the words that are missing, all at once.
func (l Locale) check(i int) survey.InvalidError {
	var bad survey.InvalidError
	for _, k := range Keys() {
		if strings.TrimSpace(l.Words[k]) == "" {
			bad = append(bad, survey.FieldError{
				Pointer: "/" + strconv.Itoa(i) + "/words/" + k, Code: "missing",
				Detail: fmt.Sprintf("locale %q has no word for %q", l.ID, k),
			})
		}
	}
	return bad
}

// word fills the places of a word: key and value by turns. Digits become those of the locale.
func (l Locale) word(key string, kv ...string) string {
	w, ok := l.Words[key]
	if !ok {
		w = more(l.ID, key)
	}
	pairs := make([]string, 0, 2*len(kv))
	for i := 0; i+1 < len(kv); i += 2 {
		place, value := "{"+kv[i]+"}", kv[i+1]
		if dot, ok := strings.CutSuffix(value, "."); ok { // a date that ends a sentence ends it with one full stop
			pairs = append(pairs, place+".", dot+".")
		}
		pairs = append(pairs, place, value)
	}
	return strings.NewReplacer(pairs...).Replace(w)
}

// number writes the digits of s as the locale does.
func (l Locale) number(s string) string {
	digits := []rune(l.Digits)
	if len(digits) != 10 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return digits[r-'0']
		}
		return r
	}, s)
}

// date writes a day as the locale does, in the zone that t has.
func (l Locale) date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	y, m, d := t.Date()
	layout := dates(l.ID)
	if l.ID == "fa" {
		y, m, d = jalali(t)
	}
	return l.number(strings.NewReplacer("d", strconv.Itoa(d), "m", layout.months[m-1], "y", strconv.Itoa(y)).Replace(layout.order))
}

// jalali is the day in the Persian calendar, by the 33-year cycle, which holds from 1800 to 2256.
func jalali(t time.Time) (year int, month time.Month, day int) {
	const nowruz1400 = 18707 // days from 1970-01-01 to 2021-03-21, 1 Farvardin 1400
	n := int(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC).Unix()/86400) - nowruz1400
	year = 1400
	for n < 0 {
		year--
		n += yearDays(year)
	}
	for n >= yearDays(year) {
		n -= yearDays(year)
		year++
	}
	if n < 186 {
		return year, time.Month(n/31 + 1), n%31 + 1
	}
	n -= 186
	return year, time.Month(n/30 + 7), n%30 + 1
}

func yearDays(jalali int) int {
	switch jalali % 33 {
	case 1, 5, 9, 13, 17, 22, 26, 30:
		return 366
	default:
		return 365
	}
}

// dateWords is how a locale writes a date.
type dateWords struct {
	order  string // d, m and y stand for day, month's name and year
	months [12]string
}

// dates gives the order of a date and the months as they follow a day.
func dates(locale string) dateWords {
	switch locale {
	case "hr":
		return dateWords{"d.\u00a0m y.", [12]string{"siječnja", "veljače", "ožujka", "travnja", "svibnja", "lipnja", "srpnja", "kolovoza", "rujna", "listopada", "studenoga", "prosinca"}}
	case "sr-Latn":
		return dateWords{"d.\u00a0m y.", [12]string{"januara", "februara", "marta", "aprila", "maja", "juna", "jula", "avgusta", "septembra", "oktobra", "novembra", "decembra"}}
	case "sr-Cyrl":
		return dateWords{"d.\u00a0m y.", [12]string{"јануара", "фебруара", "марта", "априла", "маја", "јуна", "јула", "августа", "септембра", "октобра", "новембра", "децембра"}}
	case "sl":
		return dateWords{"d.\u00a0m y", [12]string{"januarja", "februarja", "marca", "aprila", "maja", "junija", "julija", "avgusta", "septembra", "oktobra", "novembra", "decembra"}}
	case "pl":
		return dateWords{"d\u00a0m y", [12]string{"stycznia", "lutego", "marca", "kwietnia", "maja", "czerwca", "lipca", "sierpnia", "września", "października", "listopada", "grudnia"}}
	case "fa":
		return dateWords{"d m y", [12]string{"فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"}}
	default:
		return dateWords{"d\u00a0m\u00a0y", [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}}
	}
}

// The words of this package alone. A Locale that has them wins.
const (
	wordTooLong = "comment_too_long"
	wordNotText = "not_text"
)

// more gives the words of this package in a locale, English where it has none.
func more(locale, key string) string {
	var long, text string
	switch locale {
	case "hr":
		long = "Tekst je predug: {length} od najviše {max} znakova. Skratite ga; ništa nije izgubljeno."
		text = "Neke znakove nismo mogli pročitati. Provjerite tekst i pošaljite ga ponovno."
	case "sr-Latn":
		long = "Tekst je predugačak: {length} od najviše {max} znakova. Skratite ga; ništa nije izgubljeno."
		text = "Neke znakove nismo mogli da pročitamo. Proverite tekst i pošaljite ga ponovo."
	case "sr-Cyrl":
		long = "Текст је предугачак: {length} од највише {max} знакова. Скратите га; ништа није изгубљено."
		text = "Неке знакове нисмо могли да прочитамо. Проверите текст и пошаљите га поново."
	case "sl":
		long = "Besedilo je predolgo: {length} od največ {max} znakov. Skrajšajte ga; nič ni izgubljeno."
		text = "Nekaterih znakov nismo mogli prebrati. Preverite besedilo in ga pošljite znova."
	case "pl":
		long = "Tekst jest za długi: {length} z najwyżej {max} znaków. Prosimy go skrócić; nic nie zginęło."
		text = "Niektórych znaków nie udało się odczytać. Prosimy sprawdzić tekst i wysłać go ponownie."
	case "fa":
		long = "متن بیش از اندازه بلند است: {length} نویسه از حداکثر {max}. لطفاً کوتاهش کنید؛ چیزی از دست نرفته است."
		text = "برخی نویسه\u200cها خوانده نشدند. لطفاً متن را بررسی کنید و دوباره بفرستید."
	default:
		long = "This text is too long: {length} of {max} characters. Please shorten it; nothing is lost."
		text = "Some characters could not be read. Please check the text and send it again."
	}
	switch key {
	case wordTooLong:
		return long
	case wordNotText:
		return text
	default:
		return ""
	}
}

// script names the script of a language that is read in two, "" for all others.
func script(locale string) string {
	switch locale {
	case "sr-Latn":
		return "Latinica"
	case "sr-Cyrl":
		return "Ћирилица"
	default:
		return ""
	}
}
