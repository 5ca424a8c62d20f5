package survey

import (
	"strings"
	"unicode"
)

// A Reading is what a reply was understood as. The zero value holds no number.
type Reading struct {
	Score   int    // meaningful when Sure
	Sure    bool   // it is a score of the scale, surely
	Maybe   bool   // it could be a score: ask once
	Comment string // the rest of the words, verbatim and trimmed; all of them when not Sure
}

// Read understands a reply to a question that has a scale from low to high. It knows the digits of every script and
// the number words of every locale; locale is that of the send. A wrong score is worse than a second question: a
// number is a score only where nothing else makes sense, such as alone, after «ocjena», or before a comma or «because».
func Read(text, locale string, low, high int) Reading {
	s := scan{text: text, tokens: lex(text), locale: locale, low: low, high: high}
	all := strings.TrimSpace(text)
	at := s.candidate()
	if at < 0 {
		return Reading{Maybe: onlyStars(s.tokens), Comment: all}
	}
	r, ok := s.score(at)
	if ok {
		return r
	}
	c := s.tokens[at]
	certain := c.kind == aNumber || c.strength >= firmNumber
	return Reading{Maybe: certain || s.alone(at), Comment: all}
}

func onlyStars(tokens []token) bool {
	for _, t := range tokens {
		if t.kind != aMark || t.sign != '⭐' && t.sign != '★' && t.sign != '🌟' {
			return false
		}
	}
	return len(tokens) > 0
}

// A scan is one reply being read.
type scan struct {
	text      string
	tokens    []token
	locale    string
	low, high int
}

// candidate finds the number that may be the score: the first one, where «one» and words with another everyday
// meaning count only when there is no other. It is -1 when there is none.
func (s scan) candidate() int {
	for i := range s.tokens {
		if t := &s.tokens[i]; t.kind == aWord {
			t.value, t.strength = numberWord(t.key, s.locale)
		}
	}
	best := -1
	for i, t := range s.tokens {
		if t.kind == aNumber || t.strength >= firmNumber {
			return i
		}
		if best < 0 && s.counts(i) {
			best = i
		}
	}
	return best
}

func (s scan) counts(i int) bool {
	t := s.tokens[i]
	return t.kind == aNumber || t.strength != noNumber
}

// is reports whether the token at i is the sign r.
func (s scan) is(i int, r rune) bool {
	return i >= 0 && i < len(s.tokens) && s.tokens[i].kind == aMark && s.tokens[i].sign == r
}

// spaced reports whether the token at i has room on both sides.
func (s scan) spaced(i int) bool {
	return s.tokens[i].gap && i+1 < len(s.tokens) && s.tokens[i+1].gap
}

// key is the folded word at i, "" when there is none.
func (s scan) key(i int) string {
	if i < 0 || i >= len(s.tokens) {
		return ""
	}
	return s.tokens[i].key
}

// alone reports whether there are no other words or numbers than the one at i.
func (s scan) alone(i int) bool {
	for j, t := range s.tokens {
		if j != i && (t.kind == aWord || t.kind == aNumber) {
			return false
		}
	}
	return true
}

// score reads the number at the token at as the score; ok is false when it is not surely one.
func (s scan) score(at int) (r Reading, ok bool) {
	c := s.tokens[at]
	if c.value < s.low || c.value > s.high || c.zeros || c.strength == biggerNumber {
		return r, false
	}
	from, lead := s.before(at)
	if lead == leadAway {
		return r, false
	}
	if c.strength == weakNumber && lead != leadSays && !s.trusted(at) {
		return r, false
	}
	next, explicit, ok := s.scale(at + 1)
	if !ok {
		return r, false
	}
	for tails := 0; tails < 2 && next < len(s.tokens) && s.tokens[next].gap && afterScore(s.key(next)); tails++ {
		next++
	}
	if !s.after(next, c.strength == articleNumber, explicit && c.value == 10) {
		return r, false
	}
	if s.is(next, ')') && !s.tokens[next].gap && !s.is(at-1, '(') && s.words(next) {
		return r, false // «1) …» numbers a list
	}
	if lead == leadWould && s.words(next) {
		return r, false
	}
	rest := restOf(s.text[:s.tokens[from].start], s.text[s.tokens[next-1].end:])
	return Reading{Score: c.value, Sure: true, Comment: rest}, true
}

// trusted: a bare «نه» in Persian is taken as nine, for the question asks for a number only; with any other word it
// is «no».
func (s scan) trusted(at int) bool {
	return primary(s.locale) == "fa" && s.tokens[at].key == "نه" && s.alone(at)
}

// A lead is what stands before a number.
type lead int

const (
	leadAway    lead = iota // something that does not let the number be a score
	leadNothing             // nothing, or words that carry no meaning of their own
	leadSays                // a word that says that a score follows
	leadWould               // either of them in the conditional
)

// before judges what stands before the number at i, and gives the first token that belongs to it.
func (s scan) before(i int) (from int, l lead) {
	if s.doubted(i) {
		return i, leadAway
	}
	if i > 0 && !s.tokens[i].gap && !s.touches(i-1) {
		return i, leadAway
	}
	l, conditional := leadNothing, false
	from = i
	for from > 0 {
		t := s.tokens[from-1]
		switch {
		case t.kind == aWord && saysScore(t.key):
			l = leadSays
		case t.kind == aWord && beforeScore(t.key):
			conditional = conditional || wouldScore(t.key)
		case t.kind == aMark && strings.ContainsRune(":=([", t.sign):
		case t.kind == aMark && t.sign == '-' && s.spaced(from-1) && l == leadNothing && saysScore(s.key(from-2)):
		case t.kind == aMark && strings.ContainsRune(",،", t.sign) && s.greets(from-2):
		case t.kind == aLine || t.kind == aMark && (t.sign == '!' || pictured(t.sign)):
			return from, finish(l, conditional)
		case l == leadSays && t.kind != aNumber:
			return from, finish(l, conditional)
		default:
			return from, leadAway
		}
		from--
	}
	return from, finish(l, conditional)
}

func finish(l lead, conditional bool) lead {
	if conditional {
		return leadWould
	}
	return l
}

// greets reports whether the words up to i, from the beginning, are only a greeting or thanks.
func (s scan) greets(i int) bool {
	for ; i >= 0; i-- {
		if s.tokens[i].kind != aWord || !beforeScore(s.tokens[i].key) {
			return false
		}
	}
	return true
}

// touches reports whether a number may follow the token at i without a space.
func (s scan) touches(i int) bool {
	t := s.tokens[i]
	return t.kind == aLine || t.kind == aMark && (strings.ContainsRune(":=([!", t.sign) || pictured(t.sign))
}

// doubted reports whether the clause before the number at i denies or weakens it.
func (s scan) doubted(i int) bool {
	for i--; i >= 0; i-- {
		t := s.tokens[i]
		switch t.kind {
		case aWord:
			if doubtsScore(t.key) {
				return true
			}
		case aLine:
			return false
		case aMark:
			if strings.ContainsRune(".,!;،؛…", t.sign) {
				return false
			}
		case aNumber:
		}
	}
	return false
}

// scale reads «/10» or «of 10» at i. It gives the token after it, and whether the scale was given with digits and a
// stroke. It is not ok when the scale is another than ours.
func (s scan) scale(i int) (next int, explicit, ok bool) {
	if s.is(i, '/') || s.is(i, '⁄') {
		if i+1 < len(s.tokens) && s.tokens[i+1].kind == aNumber && s.tokens[i+1].value == s.high {
			return i + 2, true, true
		}
		return i, false, false
	}
	of := i
	if s.key(i) == "out" {
		of = i + 1
	}
	if !ofScale(s.key(of)) || of+1 >= len(s.tokens) || !s.counts(of+1) {
		return i, false, true
	}
	return of + 2, false, s.tokens[of+1].value == s.high
}

// after judges what stands after the score, from the token at i on. After an idiom («10/10») any word begins a comment.
func (s scan) after(i int, isArticle, idiom bool) bool {
	if i >= len(s.tokens) {
		return true
	}
	t := s.tokens[i]
	first := i
	switch t.kind {
	case aNumber:
		return false
	case aWord:
		if !t.gap || !idiom && !beginsComment(t.key) && !s.verdict(i) || isArticle && !givesReason(t.key) {
			return false
		}
	case aLine, aMark:
		for first < len(s.tokens) && (s.tokens[first].kind == aMark || s.tokens[first].kind == aLine) {
			if !s.separates(first) {
				return false
			}
			first++
		}
		if first < len(s.tokens) && s.tokens[first].kind == aWord && !s.begins(first) {
			return false
		}
	}
	if givesReason(s.key(first)) {
		return true
	}
	for j := i; j < len(s.tokens); j++ {
		if s.tokens[j].kind == aNumber || s.tokens[j].strength >= firmNumber {
			return false
		}
	}
	return true
}

// separates reports whether the sign at i can stand between a score and a comment, or end a reply.
func (s scan) separates(i int) bool {
	t := s.tokens[i]
	switch {
	case t.kind == aLine, strings.ContainsRune(".,;:!()[]…،؛۔。", t.sign), pictured(t.sign):
		return true
	case t.sign == '-' || t.sign == '–':
		return s.spaced(i)
	case t.sign == '—':
		return i+1 < len(s.tokens)
	}
	return false
}

// begins reports whether the word at i, after a sign, begins a comment. After a full stop a small letter does not:
// «5. put» is «the 5th time».
func (s scan) begins(i int) bool {
	t := s.tokens[i]
	if takesBack(t.key) {
		return false
	}
	return !s.is(i-1, '.') || s.is(i-2, '.') || !t.lower || t.gap && (beginsComment(t.key) || s.verdict(i))
}

// verdict reports whether the words from i to the next sign are all words of praise or blame.
func (s scan) verdict(i int) bool {
	for ; i < len(s.tokens) && s.tokens[i].kind == aWord; i++ {
		if beginsComment(s.tokens[i].key) {
			return true
		}
		if !isVerdict(s.tokens[i].key) {
			return false
		}
	}
	return i >= len(s.tokens) || s.tokens[i].kind != aNumber
}

// words reports whether there is a word at i or after it.
func (s scan) words(i int) bool {
	for ; i < len(s.tokens); i++ {
		if s.tokens[i].kind == aWord {
			return true
		}
	}
	return false
}

// pictured reports whether r is an emoji or a part of one. Signs of money, mathematics and measure are not.
func pictured(r rune) bool {
	return r >= 0x2190 && unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r) && r > 0xFFFF
}

// restOf puts together what stood before and after the score. Signs without words are no comment.
func restOf(before, after string) string {
	const left = " \t\r\n.,;:!-–—)]…،؛۔。"
	before = strings.TrimRight(strings.TrimSpace(before), " \t\r\n,;:-–—([،؛«\"„“'")
	after = strings.TrimLeftFunc(after, func(r rune) bool { return strings.ContainsRune(left, r) || invisible(r) || quote(r) })
	before, after = worded(before), worded(strings.TrimSpace(after))
	if before != "" && after != "" {
		return before + "\n" + after
	}
	return before + after
}

func worded(s string) string {
	n := 0
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	if n < 2 {
		return ""
	}
	return s
}
