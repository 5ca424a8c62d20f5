package templates

import (
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// gsmBasic and gsmExtension are the default alphabet of SMS: one septet each, and two.
//
// Source: 3GPP TS 23.038, section 6.2.1
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

// An SMSSize is what a text costs as an SMS.
type SMSSize struct {
	Segments int
	UCS2     bool // false: GSM-7
	Units    int  // septets, or UTF-16 code units when UCS2
	Left     int  // units that still fit in the last segment
}

// septets is the length of r in GSM-7: 1, 2, or 0 when it is not there.
func septets(r rune) int {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == ' ':
		return 1
	case strings.ContainsRune(gsmBasic, r):
		return 1
	case strings.ContainsRune(gsmExtension, r):
		return 2
	default:
		return 0
	}
}

// SizeOf counts segments as networks do: 160 septets or 70 code units in one, 153 or 67 in each of several, where a
// character of two units is never divided.
//
// Source: 3GPP TS 23.040, section 9.2.3.24.1
func SizeOf(s string) SMSSize {
	size := SMSSize{}
	for _, r := range s {
		if septets(r) == 0 {
			size.UCS2 = true
			break
		}
	}
	units := septets
	single, part := 160, 153
	if size.UCS2 {
		units = func(r rune) int { return max(1, utf16.RuneLen(r)) }
		single, part = 70, 67
	}
	used, segments := 0, 1 // of the last part
	for _, r := range s {
		n := units(r)
		size.Units += n
		if used+n > part {
			segments++
			used = 0
		}
		used += n
	}
	if size.Units <= single {
		size.Segments, size.Left = 1, single-size.Units
		return size
	}
	size.Segments, size.Left = segments, part-used
	return size
}

// UCS2Chars lists the characters that keep s out of GSM-7, each once, in the order in which they come.
func UCS2Chars(s string) []rune {
	var out []rune
	seen := make(map[rune]bool)
	for _, r := range s {
		if !seen[r] && septets(r) == 0 {
			seen[r] = true
			out = append(out, r)
		}
	}
	return out
}

// FoldSMS applies a locale's fold to a rendered SMS. Stripping is done only when it makes the message cheaper: what
// fits into as many segments is spelled as its author spelled it. Links stay as they are.
func FoldSMS(s string, plan Fold) string {
	s = norm.NFC.String(s)
	if plan == FoldLatin || plan == FoldLatinStrip {
		s = outsideLinks(s, cyrillicToLatin)
	}
	if plan == FoldNone || plan == "" || plan == FoldLatin {
		return s
	}
	before := SizeOf(s)
	if !before.UCS2 {
		return s
	}
	dj := plan == FoldStripDj || plan == FoldLatinStrip
	stripped := outsideLinks(s, func(part string) string { return strip(part, dj) })
	if SizeOf(stripped).Segments < before.Segments {
		return stripped
	}
	return s
}

// outsideLinks applies f to everything but web addresses.
func outsideLinks(s string, f func(string) string) string {
	var b strings.Builder
	for s != "" {
		start := linkStart(s)
		if start < 0 {
			b.WriteString(f(s))
			break
		}
		b.WriteString(f(s[:start]))
		end := start + linkLen(s[start:])
		b.WriteString(s[start:end])
		s = s[end:]
	}
	return b.String()
}

// linkStart is the place of the first web address in s, −1 without one.
func linkStart(s string) int {
	at := -1
	for _, scheme := range []string{"https://", "http://"} {
		if i := strings.Index(s, scheme); i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	return at
}

func linkLen(s string) int {
	if i := strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '<' || r == '>' || r == '"' }); i >= 0 {
		return i
	}
	return len(s)
}

// signs are typographic characters and what a phone's keyboard has for them.
var signs = map[rune]string{ //nolint:gochecknoglobals // a table
	'‘': "'", '’': "'", '‚': "'", '‛': "'", '′': "'", '´': "'", '`': "'",
	'“': `"`, '”': `"`, '„': `"`, '‟': `"`, '″': `"`, '«': `"`, '»': `"`,
	'‐': "-", '‑': "-", '‒': "-", '–': "-", '—': "-", '―': "-", '−': "-", '•': "-",
	'…': "...", '×': "x", '™': "(TM)", '№': "No", '\t': " ",
	'\u200b': "", '\ufeff': "", '\u2060': "",
	'ł': "l", 'Ł': "L", 'œ': "oe", 'Œ': "OE", 'ẞ': "SS", 'ﬁ': "fi", 'ﬂ': "fl",
	'ǆ': "dz", 'ǅ': "Dz", 'Ǆ': "DZ", 'ǉ': "lj", 'ǈ': "Lj", 'Ǉ': "LJ", 'ǌ': "nj", 'ǋ': "Nj", 'Ǌ': "NJ",
}

// strip writes s in GSM-7 as far as it can be: letters without diacritics, signs as they are typed.
func strip(s string, dj bool) string {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		sign, isSign := signs[r]
		switch {
		case septets(r) > 0:
			b.WriteRune(r)
		case r == 'đ' && dj:
			b.WriteString("dj")
		case r == 'Đ' && dj:
			b.WriteString(cased("Dj", runes, i))
		case r == 'đ':
			b.WriteByte('d')
		case r == 'Đ':
			b.WriteByte('D')
		case isSign:
			b.WriteString(sign)
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case r >= 0x1100 && r < 0x10000 && unicode.Is(unicode.Hangul, r): // NFD would make three of one
			b.WriteRune(r)
		default:
			for _, d := range norm.NFKD.String(string(r)) {
				if !unicode.Is(unicode.Mn, d) {
					b.WriteRune(d)
				}
			}
		}
	}
	return b.String()
}

// cyrillic is the Serbian alphabet.
var cyrillic = map[rune]string{ //nolint:gochecknoglobals // a table
	'а': "a", 'б': "b", 'в': "v", 'г': "g", 'д': "d", 'ђ': "đ", 'е': "e", 'ж': "ž", 'з': "z", 'и': "i",
	'ј': "j", 'к': "k", 'л': "l", 'љ': "lj", 'м': "m", 'н': "n", 'њ': "nj", 'о': "o", 'п': "p", 'р': "r",
	'с': "s", 'т': "t", 'ћ': "ć", 'у': "u", 'ф': "f", 'х': "h", 'ц': "c", 'ч': "č", 'џ': "dž", 'ш': "š",
	'А': "A", 'Б': "B", 'В': "V", 'Г': "G", 'Д': "D", 'Ђ': "Đ", 'Е': "E", 'Ж': "Ž", 'З': "Z", 'И': "I",
	'Ј': "J", 'К': "K", 'Л': "L", 'Љ': "Lj", 'М': "M", 'Н': "N", 'Њ': "Nj", 'О': "O", 'П': "P", 'Р': "R",
	'С': "S", 'Т': "T", 'Ћ': "Ć", 'У': "U", 'Ф': "F", 'Х': "H", 'Ц': "C", 'Ч': "Č", 'Џ': "Dž", 'Ш': "Š",
}

func cyrillicToLatin(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		if latin, ok := cyrillic[r]; ok {
			b.WriteString(cased(latin, runes, i))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// cased writes a digraph in capitals when the word around runes[i] is in capitals: Љ is Lj in Љубав and LJ in ЉУБАВ.
func cased(s string, runes []rune, i int) string {
	if len(s) < 2 || !unicode.IsUpper(runes[i]) || len([]rune(s)) == 1 {
		return s
	}
	next := i+1 < len(runes) && unicode.IsLetter(runes[i+1])
	if next && unicode.IsUpper(runes[i+1]) {
		return strings.ToUpper(s)
	}
	if !next && i > 0 && unicode.IsUpper(runes[i-1]) {
		return strings.ToUpper(s)
	}
	return s
}
