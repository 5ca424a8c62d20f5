package templates

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// finishText makes of marked text what a person reads: numbers in the locale's digits, and isolates around values
// where the text runs from right to left. In web addresses there is neither.
func finishText(marked string, rtl bool, digits string) string {
	var b strings.Builder
	b.Grow(len(marked))
	inLink := false
	for i := 0; i < len(marked); {
		// Only these can begin something; 0xe2 is the first byte of every mark.
		next := i
		for next < len(marked) {
			c := marked[next]
			if c == 0xe2 || (inLink && (c == ' ' || c == '\n' || c == '\t' || c == '<' || c == '>' || c == '"')) || (!inLink && c == 'h') {
				break
			}
			next++
		}
		b.WriteString(marked[i:next])
		if i = next; i == len(marked) {
			break
		}
		r, size := utf8.DecodeRuneInString(marked[i:])
		switch {
		case r == markOpen:
			value := marked[i+size:]
			end := strings.Index(value, string(markClose))
			if end < 0 {
				end = len(value)
			}
			value = value[:end]
			i += size + end + len(string(markClose))
			if inLink || isLink(value) {
				b.WriteString(value)
				inLink = !strings.ContainsAny(value, " \n")
				continue
			}
			value = strings.ReplaceAll(localNumber(value, digits), string(markBreak), "\n")
			if rtl {
				b.WriteRune(markOpen)
				b.WriteString(value)
				b.WriteRune(markClose)
			} else {
				b.WriteString(value)
			}
			continue
		case r == markClose || r == markBreak:
			i += size
			continue
		case inLink && r < utf8.RuneSelf:
			inLink = false
		case !inLink && r == 'h' && isLink(marked[i:]):
			inLink = true
		}
		b.WriteString(marked[i : i+size])
		i += size
	}
	return b.String()
}

// localNumber writes a value that is nothing but digits in the locale's; codes and phone numbers stay as they are.
func localNumber(s, digits string) string {
	if s == "" || strings.Trim(s, asciiDigits) != "" {
		return s
	}
	return localDigits(s, digits)
}

var textEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;") //nolint:gochecknoglobals // a table

// An attribute without quotes ends at any of these.
var bareEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", //nolint:gochecknoglobals // a table
	" ", "&#32;", "\t", "&#9;", "\n", "&#10;", "=", "&#61;", "`", "&#96;")

// finishHTML makes HTML of marked HTML: values are escaped for the place where they stand, and isolated with <bdi> in
// the text.
func finishHTML(marked, digits string) string {
	var b strings.Builder
	b.Grow(len(marked) + len(marked)/4)
	const (
		text = iota
		tag
		comment
		rawText // of style, script, title and textarea
	)
	state, quote, closer := text, byte(0), ""
	for i := 0; i < len(marked); {
		if strings.HasPrefix(marked[i:], string(markOpen)) {
			i += len(string(markOpen))
			end := strings.IndexRune(marked[i:], markClose)
			if end < 0 {
				end = len(marked) - i
			}
			value := marked[i : i+end]
			i = min(len(marked), i+end+len(string(markClose)))
			switch {
			case state == text && !isLink(value):
				b.WriteString("<bdi>" + strings.ReplaceAll(textEscaper.Replace(localNumber(value, digits)), string(markBreak), "<br>") + "</bdi>")
			case state == tag && quote == 0:
				b.WriteString(bareEscaper.Replace(value))
			default:
				b.WriteString(strings.ReplaceAll(textEscaper.Replace(value), string(markBreak), " "))
			}
			continue
		}
		if strings.HasPrefix(marked[i:], string(markClose)) || strings.HasPrefix(marked[i:], string(markBreak)) {
			i += len(string(markClose))
			continue
		}
		c := marked[i]
		switch state {
		case text:
			switch {
			case strings.HasPrefix(marked[i:], "<!--"):
				state = comment
			case c == '<' && i+1 < len(marked) && (isLetter(marked[i+1]) || marked[i+1] == '/' || marked[i+1] == '!'):
				state, quote, closer = tag, 0, ""
				for _, name := range []string{"style", "script", "title", "textarea"} {
					if len(marked) > i+1+len(name) && strings.EqualFold(marked[i+1:i+1+len(name)], name) && !isLetter(marked[i+1+len(name)]) {
						closer = "</" + name
					}
				}
			}
		case tag:
			switch {
			case quote != 0 && c == quote:
				quote = 0
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			case quote == 0 && c == '>':
				state = text
				if closer != "" {
					state = rawText
				}
			}
		case comment:
			if strings.HasPrefix(marked[i:], "-->") {
				state = text
			}
		case rawText:
			if len(marked) >= i+len(closer) && strings.EqualFold(marked[i:i+len(closer)], closer) {
				state, closer, quote = tag, "", 0
			}
		}
		b.WriteByte(c)
		i++
	}
	return b.String()
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// markedHTML makes HTML of marked text: everything is escaped, values are isolated with <bdi>.
func markedHTML(marked, digits string) string {
	var b strings.Builder
	for marked != "" {
		open := strings.IndexRune(marked, markOpen)
		if open < 0 {
			b.WriteString(textEscaper.Replace(clean(marked)))
			break
		}
		b.WriteString(textEscaper.Replace(clean(marked[:open])))
		marked = marked[open+len(string(markOpen)):]
		end := strings.IndexRune(marked, markClose)
		rest := ""
		if end >= 0 {
			rest = marked[end+len(string(markClose)):]
			marked = marked[:end]
		}
		b.WriteString("<bdi>" + textEscaper.Replace(localNumber(marked, digits)) + "</bdi>")
		marked = rest
	}
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "\n", "<br>"), string(markBreak), "<br>")
}

// fallbackPack is the pack of a locale that has none.
func fallbackPack(locale string) *Pack {
	p := &Pack{Locale: locale, Name: locale, Dir: "ltr", Digits: asciiDigits, SMSFold: FoldNone}
	tag, err := language.Parse(locale)
	if err != nil {
		return p
	}
	switch script, _ := tag.Script(); script.String() {
	case "Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm":
		p.Dir, p.RTL = "rtl", true
	}
	if base, _ := tag.Base(); base.String() == "fa" {
		p.Digits = persianDigits
	}
	return p
}

// isLink reports whether s begins with a web address.
func isLink(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}
