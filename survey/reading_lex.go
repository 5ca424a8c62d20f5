package survey

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// How a reply is cut into tokens.

type tokenKind int

const (
	aNumber tokenKind = iota // a run of digits
	aWord
	aMark // one sign that is neither letter, digit nor space
	aLine // a line break
)

// A token is a piece of a reply. Start and end are its place in the text as it came.
type token struct {
	kind       tokenKind
	start, end int
	gap        bool // something invisible or a space stands before it
	sign       rune // of a mark
	key        string
	value      int // of a number, or a number word
	strength   strength
	lower      bool // a word that begins with a small letter
	zeros      bool // a number written with a leading zero
}

// maxRead is how many bytes of a reply are looked at: ten times what a long SMS holds. The rest is words.
const maxRead = 16 << 10

// lex splits a text into tokens. Quotes and invisible signs are left out, compatibility forms (full width, circled,
// keycaps) are taken as what they stand for.
func lex(text string) []token {
	out := make([]token, 0, 16)
	gap := true
	for at, r := range text {
		if at > maxRead {
			break
		}
		end := at + utf8.RuneLen(r)
		if r == utf8.RuneError {
			end = at + 1
		}
		if invisible(r) {
			if len(out) > 0 && !gap {
				out[len(out)-1].end = end
			}
			continue
		}
		if joins(out, gap, r) { // marks on letters, and apostrophes inside words
			out[len(out)-1].end = end
			continue
		}
		for _, c := range expand(r) {
			v, isDigit := digit(c)
			var last *token
			if len(out) > 0 && !gap {
				last = &out[len(out)-1]
			}
			switch {
			case c == '\n' || c == '\r' || c == '\u2028' || c == '\u2029':
				out = append(out, token{kind: aLine, start: at, end: end})
				gap = true
				continue
			case unicode.IsSpace(c) || quote(c):
				gap = true
				continue
			case isDigit && last != nil && last.kind == aNumber:
				last.value = min(last.value*10+v, 1000)
				last.end = end
			case isDigit:
				out = append(out, token{kind: aNumber, start: at, end: end, gap: gap, value: v, zeros: v == 0})
			case unicode.IsLetter(c) && last != nil && last.kind == aWord:
				last.end = end
			case unicode.IsLetter(c):
				out = append(out, token{kind: aWord, start: at, end: end, gap: gap, lower: unicode.IsLower(c)})
			default:
				out = append(out, token{kind: aMark, start: at, end: end, gap: gap, sign: c})
			}
			gap = false
		}
	}
	for i := range out {
		t := &out[i]
		switch t.kind {
		case aWord:
			t.key = foldWord(text[t.start:t.end])
		case aNumber:
			t.zeros = t.zeros && (t.value > 0 || countDigits(text[t.start:t.end]) > 1)
		case aMark, aLine:
		}
	}
	return out
}

func joins(out []token, gap bool, r rune) bool {
	if len(out) == 0 || gap || out[len(out)-1].kind != aWord {
		return false
	}
	return unicode.Is(unicode.Mn, r) || r == '\'' || r == '’'
}

// expand gives what a character stands for.
func expand(r rune) string {
	switch {
	case r < utf8.RuneSelf:
		return string(r)
	case r == '🔟':
		return "10"
	}
	return norm.NFKC.String(string(r))
}

// invisible: signs that show nothing of their own, among them those that make a keycap of a digit.
func invisible(r rune) bool {
	switch r {
	case '\ufe0f', '\ufe0e', '\u20e3':
		return true
	}
	return unicode.Is(unicode.Cf, r)
}

func quote(r rune) bool {
	switch r {
	case '"', '\'', '«', '»', '“', '”', '„', '‟', '‘', '’', '‚', '‹', '›', '`', '´', '_':
		return true
	}
	return false
}

// digit gives the value of a decimal digit of any script. Unicode keeps each script's ten digits together, in order,
// with the zero at a place that decides the others.
func digit(r rune) (int, bool) {
	switch {
	case r >= '0' && r <= '9':
		return int(r - '0'), true
	case r < utf8.RuneSelf || !unicode.Is(unicode.Nd, r):
		return 0, false
	}
	n := 0
	for unicode.Is(unicode.Nd, r-1) {
		r--
		n++
	}
	return n % 10, true
}

func countDigits(s string) int {
	n := 0
	for _, r := range s {
		for _, c := range expand(r) {
			if _, ok := digit(c); ok {
				n++
			}
		}
	}
	return n
}
