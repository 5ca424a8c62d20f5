package survey

import "strings"

// A Cmd is a command that a whole message can be.
type Cmd int

// The commands. CmdStop is opting out, CmdStart is taking that back, CmdHelp asks who is writing.
const (
	CmdNone Cmd = iota
	CmdStop
	CmdStart
	CmdHelp
)

// Command recognises the words of all locales for leaving, coming back and help, whatever their case, marks or script.
// The whole message must be one, except that up to two words may follow a word that can only mean STOP. Words that
// could answer a question («ne», «end», «konec») are none.
func Command(text string) Cmd {
	keys := wordKeys(text, 8)
	for len(keys) > 1 && courtesy(keys[0]) {
		keys = keys[1:]
	}
	for len(keys) > 1 && courtesy(keys[len(keys)-1]) {
		keys = keys[:len(keys)-1]
	}
	whole := strings.Join(keys, " ")
	switch {
	case len(keys) == 0:
		if t := strings.TrimSpace(text); t == "?" || t == "؟" {
			return CmdHelp
		}
		return CmdNone
	case stopPhrase(whole), len(keys) <= 3 && stopWord(keys[0]):
		return CmdStop
	case startPhrase(whole):
		return CmdStart
	case helpPhrase(whole):
		return CmdHelp
	}
	return CmdNone
}

// AutoReply recognises the commonest beginnings of what phones and mailboxes answer by themselves. It would rather
// miss one than drop a person's words.
func AutoReply(text string) bool {
	all := " " + strings.Join(wordKeys(text, 200), " ") + " "
	for _, m := range autoOpenings() {
		if strings.HasPrefix(all, " "+m+" ") {
			return true
		}
	}
	for _, m := range autoMarks() {
		if strings.Contains(all, " "+m+" ") {
			return true
		}
	}
	return false
}

// wordKeys gives the folded words and the numbers of a text, no more than limit of them. A number that touches a word
// is one with it.
func wordKeys(text string, limit int) []string {
	var out []string
	last := aMark
	for _, t := range lex(text) {
		if t.kind != aWord && t.kind != aNumber {
			last = t.kind
			continue
		}
		key := t.key
		if t.kind == aNumber {
			key = asciiDigits(text[t.start:t.end])
		}
		if len(out) > 0 && !t.gap && (last == aWord || last == aNumber) {
			out[len(out)-1] += key
		} else {
			out = append(out, key)
		}
		last = t.kind
		if len(out) == limit {
			break
		}
	}
	return out
}

func asciiDigits(s string) string {
	var b strings.Builder
	for _, r := range s {
		for _, c := range expand(r) {
			if v, ok := digit(c); ok {
				b.WriteByte('0' + byte(v)) //nolint:gosec // 0 to 9
			}
		}
	}
	return b.String()
}

// Digits writes the ASCII digits of s as the locale does: ۰ to ۹ in Persian, as they are elsewhere.
func Digits(s, locale string) string {
	if primary(locale) != "fa" {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '۰' + r - '0'
		}
		return r
	}, s)
}
