package survey

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The encodings of an SMS.
const (
	GSM7 = "GSM-7"
	UCS2 = "UCS-2"
)

// Parts is how a text travels as SMS.
type Parts struct {
	Encoding string // GSM7 or UCS2
	Units    int    // septets or UTF-16 code units of the whole text
	Count    int    // segments, 0 for the empty text
	Limit    int    // units that fit in one segment: 160 or 70 when there is one, else 153 or 67
	Left     int    // units that still fit in the last segment
	Forcing  []rune // what forces UCS-2, each once, in order of appearance
}

// Segments tells how a text travels as SMS. A character of two units never spans two segments, so a full segment may
// waste one unit.
//
// Source: 3GPP TS 23.038 sections 4 and 6.2, 3GPP TS 23.040 section 9.2.3.24
func Segments(text string) Parts {
	s := Parts{Encoding: GSM7}
	wide := 0 // in UTF-16 code units
	for _, r := range text {
		n := septets(r)
		if n == 0 {
			s.Encoding = UCS2
			if !slices.Contains(s.Forcing, r) {
				s.Forcing = append(s.Forcing, r)
			}
		}
		s.Units += n
		wide += codeUnits(r)
	}
	size, single, part := septets, 160, 153
	if s.Encoding == UCS2 {
		size, single, part = codeUnits, 70, 67
		s.Units = wide
	}
	if s.Units <= single {
		s.Limit, s.Left = single, single-s.Units
		s.Count = min(1, len(text))
		return s
	}
	s.Count, s.Limit, s.Left = 1, part, part
	for _, r := range text {
		n := size(r)
		if n > s.Left {
			s.Count++
			s.Left = part
		}
		s.Left -= n
	}
	return s
}

func codeUnits(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// septets is the size of a character in the GSM default alphabet, 0 when it is not in it.
func septets(r rune) int {
	switch {
	case r >= 'a' && r <= 'z', r >= ' ' && r <= 'Z', r == '_', r == '\n', r == '\r':
		return 1
	case r < utf8.RuneSelf:
		switch r {
		case '\f', '^', '{', '}', '\\', '[', '~', ']', '|':
			return 2
		}
		return 0
	}
	switch r {
	case '£', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', 'Ø', 'ø', 'Å', 'å', 'Δ', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ',
		'Æ', 'æ', 'ß', 'É', '¤', '¡', 'Ä', 'Ö', 'Ñ', 'Ü', '§', '¿', 'ä', 'ö', 'ñ', 'ü', 'à':
		return 1
	case '€':
		return 2
	}
	return 0
}

// The fold plans: what is done to the words of an SMS so that it needs fewer segments.
const (
	FoldNone       = "none"
	FoldStrip      = "strip"       // letters lose their marks (č→c, đ→d), quotes and dashes become plain
	FoldStripDJ    = "strip-dj"    // the same with đ→dj, as Serbian has it
	FoldLatin      = "latin"       // Serbian Cyrillic becomes Serbian Latin
	FoldLatinStrip = "latin-strip" // first latin, then strip-dj
)

// FoldPlans lists the plans that Fold knows.
func FoldPlans() []string {
	return []string{FoldNone, FoldStrip, FoldStripDJ, FoldLatin, FoldLatinStrip}
}

// Fold rewrites a text by one of FoldPlans; any other plan is FoldNone. The result is in Unicode form C. Web addresses
// stay as they are, and so does a text in Arabic script: its letters need UCS-2 anyway and its joiners carry meaning.
func Fold(text, plan string) string {
	if ascii(text) {
		return text
	}
	text = norm.NFC.String(text)
	switch plan {
	case FoldStrip:
		return foldFields(text, func(s string) string { return stripMarks(s, "d") })
	case FoldStripDJ:
		return foldFields(text, func(s string) string { return stripMarks(s, "dj") })
	case FoldLatin:
		return foldFields(text, toLatin)
	case FoldLatinStrip:
		return foldFields(text, func(s string) string { return stripMarks(toLatin(s), "dj") })
	default:
		return text
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldFields applies fold to everything but web addresses.
func foldFields(text string, fold func(string) string) string {
	for _, r := range text {
		if unicode.Is(unicode.Arabic, r) {
			return text
		}
	}
	var b strings.Builder
	b.Grow(len(text))
	done := 0 // bytes of text that are in b
	for at := 0; at < len(text); {
		end := at + fieldLen(text[at:])
		if isURL(text[at:end]) {
			b.WriteString(fold(text[done:at]))
			b.WriteString(text[at:end])
			done = end
		}
		at = end
		for at < len(text) {
			r, n := utf8.DecodeRuneInString(text[at:])
			if !unicode.IsSpace(r) {
				break
			}
			at += n
		}
	}
	b.WriteString(fold(text[done:]))
	return b.String()
}

func fieldLen(s string) int {
	if i := strings.IndexFunc(s, unicode.IsSpace); i >= 0 {
		return i
	}
	return len(s)
}

func isURL(field string) bool {
	return strings.Contains(field, "://") || len(field) > 4 && strings.EqualFold(field[:4], "www.")
}

// stripMarks takes the marks off Latin letters that are not in the GSM alphabet and makes typography plain.
func stripMarks(s, dj string) string {
	var b strings.Builder
	b.Grow(len(s))
	rs := []rune(s)
	for i, r := range rs {
		if septets(r) > 0 {
			b.WriteRune(r)
			continue
		}
		switch plain := plainMark(r); {
		case plain != "":
			b.WriteString(plain)
		case r == '\u200b' || r == '\ufeff' || r == '\u2060':
		case r == 'đ':
			b.WriteString(dj)
		case r == 'Đ':
			b.WriteString(raise(dj, rs, i))
		case r == 'ł':
			b.WriteByte('l')
		case r == 'Ł':
			b.WriteByte('L')
		case r == 'ı':
			b.WriteByte('i')
		case r == 'œ':
			b.WriteString("oe")
		case r == 'Œ':
			b.WriteString("OE")
		case r == 'ẞ':
			b.WriteString("SS")
		case unicode.IsSpace(r) && r != '\t':
			b.WriteByte(' ')
		case unicode.Is(unicode.Latin, r):
			for _, d := range norm.NFKD.String(string(r)) {
				if !unicode.Is(unicode.Mn, d) {
					b.WriteRune(d)
				}
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plainMark is the plain form of a typographic sign, "" when it has none.
func plainMark(r rune) string {
	switch r {
	case '‘', '’', '‚', '‛', '′', '´', '`':
		return "'"
	case '“', '”', '„', '‟', '″', '«', '»':
		return `"`
	case '‐', '‑', '‒', '–', '—', '―', '−', '•':
		return "-"
	case '…':
		return "..."
	case '×':
		return "x"
	case '™':
		return "(TM)"
	case '№':
		return "No"
	case '\t':
		return " "
	}
	return ""
}

// toLatin writes Serbian Cyrillic in Serbian Latin, letter by letter; other letters stay.
func toLatin(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	rs := []rune(s)
	for i, r := range rs {
		if to := latinLetter(unicode.ToLower(r)); to == "" {
			b.WriteRune(r)
		} else if unicode.IsUpper(r) {
			b.WriteString(raise(to, rs, i))
		} else {
			b.WriteString(to)
		}
	}
	return b.String()
}

// raise makes to upper case for the place i of rs: wholly inside a word in capitals, else its first letter.
func raise(to string, rs []rune, i int) string {
	r, n := utf8.DecodeRuneInString(to)
	first := string(unicode.ToUpper(r))
	if n == len(to) {
		return first
	}
	capitals := false
	switch {
	case i+1 < len(rs) && unicode.IsLetter(rs[i+1]):
		capitals = unicode.IsUpper(rs[i+1])
	case i > 0 && unicode.IsLetter(rs[i-1]):
		capitals = unicode.IsUpper(rs[i-1])
	}
	if capitals {
		return strings.ToUpper(to)
	}
	return first + to[n:]
}

// latinLetter is the Latin form of a small letter of the Serbian Cyrillic alphabet, "" for any other.
func latinLetter(r rune) string {
	const cyrillic, single = "абвгдђежзијклмнопрстћуфхцчш", "abvgdđežzijklmnoprstćufhcčš"
	switch r {
	case 'љ':
		return "lj"
	case 'њ':
		return "nj"
	case 'џ':
		return "dž"
	}
	if r < 'а' || r > 'џ' {
		return ""
	}
	at := 0
	for _, to := range single {
		c, n := utf8.DecodeRuneInString(cyrillic[at:])
		if c == r {
			return string(to)
		}
		at += n
	}
	return ""
}
