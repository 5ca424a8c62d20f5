package templates

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/osteele/liquid/expressions"
	"github.com/osteele/liquid/parser"
)

// The engine leaves what it cannot tokenise in the message as text («Hello {{ name»), counts lines only, and has no
// limits. So the source is read here first, with exact places; what this file and the engine do not read the same
// way is refused.

type tokenKind int

const (
	outputToken tokenKind = iota
	tagToken
	noteToken // {% # … %}
)

// A token is one {{ … }} or {% … %} outside of raw blocks.
type token struct {
	kind       tokenKind
	start, end int // bytes of the source
	name       string
	args       string
	argsAt     int
	ignored    bool // inside of a comment
}

// A finding is one remark on a source, by bytes. Only findings with fatal set keep a source from being rendered.
type finding struct {
	start, end int
	severity   string
	code       string
	message    string
	fix        string
	fatal      bool
}

func fatal(start, end int, code, fix, format string, args ...any) finding {
	return finding{start, end, SeverityError, code, fmt.Sprintf(format, args...), fix, true}
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// scan finds the tokens of a source. Ranges in raw are returned too: nothing in them is Liquid.
func scan(src string) (tokens []token, raw [][2]int, faults []finding) {
	comment := false
	for p := 0; p < len(src); {
		i := nextOpen(src[p:])
		if i < 0 {
			faults = append(faults, strays(src, p, len(src))...)
			return tokens, raw, faults
		}
		faults = append(faults, strays(src, p, p+i)...)
		start := p + i
		opener, closer := src[start:start+2], "}}"
		if opener == "{%" {
			closer = "%}"
		}
		length := strings.Index(src[start+2:], closer)
		if next := nextOpen(src[start+2:]); length < 0 || (next >= 0 && next < length) {
			end := start + lineLen(src[start:])
			if next >= 0 && start+2+next < end {
				end = start + 2 + next
			}
			what := "variable"
			if closer == "%}" {
				what = "tag"
			}
			faults = append(faults, fatal(start, end, "unclosed_"+what, "Write "+closer+" at its end.",
				"%s is opened and never closed with %s", opener, closer))
			p = end
			continue
		}
		t, fault := readToken(src, start, start+2+length+2)
		t.ignored = comment
		p = t.end
		switch {
		case fault != nil:
			faults = append(faults, *fault)
			continue
		case t.kind == tagToken && t.name == "comment":
			comment = true
		case t.kind == tagToken && t.name == "endcomment":
			comment, t.ignored = false, false
		case t.kind == tagToken && t.name == "raw" && !comment:
			end, after := endRaw(src, p)
			raw = append(raw, [2]int{p, end})
			tokens = append(tokens, t)
			p = end
			if end == after { // no endraw: the block check says so
				return tokens, raw, faults
			}
			continue
		}
		tokens = append(tokens, t)
	}
	return tokens, raw, faults
}

func nextOpen(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%') {
			return i
		}
	}
	return -1
}

// strays finds closing braces that close nothing in src[from:to].
func strays(src string, from, to int) []finding {
	var out []finding
	for i := from; i+1 < to; i++ {
		if two := src[i : i+2]; two == "}}" || two == "%}" {
			out = append(out, finding{
				i, i + 2, SeverityWarning, "stray_close",
				two + " closes nothing and will stand in the message", "Write its opening braces, or remove it.", false,
			})
			i++
		}
	}
	return out
}

func lineLen(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i
	}
	return len(s)
}

// endRaw is where {% endraw %} begins after from, and where it ends; both are the end of src without one.
func endRaw(src string, from int) (start, end int) {
	for p := from; ; {
		i := strings.Index(src[p:], "{%")
		if i < 0 {
			return len(src), len(src)
		}
		start = p + i
		j := strings.Index(src[start+2:], "%}")
		if j < 0 {
			return len(src), len(src)
		}
		if strings.TrimSpace(strings.Trim(src[start+2:start+2+j], "-")) == "endraw" {
			return start, start + 2 + j + 2
		}
		p = start + 2
	}
}

func readToken(src string, start, end int) (token, *finding) {
	t := token{start: start, end: end}
	from, to := start+2, end-2
	if from < to && src[from] == '-' {
		from++
	}
	if from < to && src[to-1] == '-' {
		to--
	}
	for from < to && isSpace(src[from]) {
		from++
	}
	for from < to && isSpace(src[to-1]) {
		to--
	}
	body := src[from:to]
	bad := func(code, fix, format string, args ...any) (token, *finding) {
		f := fatal(start, end, code, fix, format, args...)
		return t, &f
	}
	if body == "" {
		return bad("empty_tag", "Remove it.", "there is nothing between the braces")
	}
	if src[start+1] == '{' {
		if strings.ContainsAny(src[start:end], "\n\r") {
			return bad("line_break", "Write it in one line.", "a variable cannot go over several lines")
		}
		t.args, t.argsAt = body, from
		return t, nil
	}
	t.kind = tagToken
	if body[0] == '#' {
		t.kind = noteToken
		return t, nil
	}
	n := strings.IndexFunc(body, func(r rune) bool { return r > unicode.MaxASCII || !isWord(r) })
	if n < 0 {
		n = len(body)
	}
	if n == 0 || (n < len(body) && !isSpace(body[n])) {
		return bad("bad_tag", "A tag begins with its name, such as {% if … %}.", "a tag has no name")
	}
	t.name = body[:n]
	for n < len(body) && isSpace(body[n]) {
		n++
	}
	t.args, t.argsAt = body[n:], from+n
	return t, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// rewrite makes of a source what the engine is given: {% echo %} as output, notes left out, our capture, and a tick in
// every loop. Lines stay as they are.
func rewrite(src string, tokens []token) string {
	var b strings.Builder
	p := 0
	for _, t := range tokens {
		b.WriteString(src[p:t.start])
		p = t.end
		whole := src[t.start:t.end]
		switch {
		case t.kind == noteToken:
		case t.ignored:
			b.WriteString(whole)
		case t.name == "echo":
			b.WriteString("{{")
			if whole[2] == '-' {
				b.WriteByte('-')
			}
			b.WriteString(" " + t.args + " ")
			if whole[len(whole)-3] == '-' {
				b.WriteByte('-')
			}
			b.WriteString("}}")
		case t.name == "capture" || t.name == "endcapture":
			b.WriteString(strings.Replace(whole, "capture", captureTag, 1))
		case t.name == "for" || t.name == "tablerow":
			b.WriteString(whole + "{% " + tickTag + " %}")
		default:
			b.WriteString(whole)
		}
	}
	b.WriteString(src[p:])
	return b.String()
}

// sameTokens reports whether the engine divides src as scan does; what it reads otherwise would be text to it.
func sameTokens(src string) bool {
	tokens, raw, faults := scan(src)
	for _, f := range faults {
		if f.fatal {
			return false
		}
	}
	type span struct{ start, end int }
	ours := make(map[span]bool, len(tokens))
	for _, t := range tokens {
		ours[span{t.start, t.end}] = true
	}
	at, theirs := 0, 0
	for _, t := range parser.Scan(src, parser.SourceLoc{}, nil) {
		s := span{at, at + len(t.Source)}
		at = s.end
		if t.Type != parser.ObjTokenType && t.Type != parser.TagTokenType {
			continue
		}
		inRaw := false
		for _, r := range raw {
			inRaw = inRaw || (s.start >= r[0] && s.end <= r[1])
		}
		switch {
		case inRaw:
		case !ours[s]:
			return false
		default:
			theirs++
		}
	}
	return theirs == len(tokens)
}

type lexKind int

const (
	lexName     lexKind = iota // a variable or word
	lexKeyword                 // name:
	lexProperty                // .name
	lexString
	lexNumber
	lexSign
)

type lexeme struct {
	kind       lexKind
	text       string
	start, end int // bytes of the source
}

// lex divides an expression as the engine's scanner does.
func lex(expr string, at int) []lexeme {
	var out []lexeme
	for p := 0; p < len(expr); {
		start := p
		r, size := utf8.DecodeRuneInString(expr[p:])
		kind := lexSign
		switch {
		case unicode.IsSpace(r):
			p += size
			continue
		case r == '"' || r == '\'':
			kind = lexString
			p++
			for p < len(expr) && rune(expr[p]) != r {
				if r == '"' && expr[p] == '\\' {
					p++
				}
				p++
			}
			p = min(p+1, len(expr))
		case isDigit(r) || (r == '-' && p+1 < len(expr) && isDigit(rune(expr[p+1]))):
			kind = lexNumber
			p++
			for p < len(expr) && isDigit(rune(expr[p])) {
				p++
			}
			if p+1 < len(expr) && expr[p] == '.' && isDigit(rune(expr[p+1])) {
				for p++; p < len(expr) && isDigit(rune(expr[p])); p++ {
				}
			}
		case unicode.IsLetter(r) || r == '_':
			kind = lexName
			p += nameLen(expr[p:])
			if p < len(expr) && expr[p] == ':' {
				kind = lexKeyword
				out = append(out, lexeme{kind, expr[start:p], at + start, at + p})
				p++
				continue
			}
		case r == '.' && p+1 < len(expr) && expr[p+1] != '.' && nameLen(expr[p+1:]) > 0:
			kind = lexProperty
			p += 1 + nameLen(expr[p+1:])
			out = append(out, lexeme{kind, expr[start+1 : p], at + start + 1, at + p})
			continue
		case strings.HasPrefix(expr[p:], ".."), strings.HasPrefix(expr[p:], "=="), strings.HasPrefix(expr[p:], "!="),
			strings.HasPrefix(expr[p:], "<="), strings.HasPrefix(expr[p:], ">="):
			p += 2
		default:
			p += size
		}
		out = append(out, lexeme{kind, expr[start:p], at + start, at + p})
	}
	return out
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// nameLen is the length of the name at the start of s, 0 when there is none.
func nameLen(s string) int {
	for i, r := range s {
		first := unicode.IsLetter(r) || r == '_'
		if first || (i > 0 && (unicode.IsDigit(r) || unicode.IsMark(r) || r == '-')) {
			continue
		}
		if i > 0 && r == '?' {
			return i + 1
		}
		return i
	}
	return len(s)
}

// readable asks the engine's own parser whether it can read the arguments of t.
func readable(t token) (ok bool) {
	defer func() {
		if recover() != nil { // its lexer panics at numbers out of range, and more
			ok = false
		}
	}()
	var err error
	switch t.kind {
	case outputToken:
		_, err = expressions.Parse(t.args)
	case noteToken:
	case tagToken:
		switch t.name {
		case "if", "elsif", "unless", "case", "echo":
			_, err = expressions.Parse(t.args)
		case "assign":
			var s *expressions.Statement
			if s, err = expressions.ParseStatement(expressions.AssignStatementSelector, t.args); err == nil {
				ok = len(s.Path) == 1
				return ok
			}
		case "for", "tablerow":
			_, err = expressions.ParseStatement(expressions.LoopStatementSelector, t.args)
		case "when":
			_, err = expressions.ParseStatement(expressions.WhenStatementSelector, t.args)
		case "cycle":
			_, err = expressions.ParseStatement(expressions.CycleStatementSelector, t.args)
		case "capture":
			return nameLen(t.args) == len(t.args) && t.args != ""
		default: // else, break, end…: nothing to read
		}
	}
	return err == nil
}
