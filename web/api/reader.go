package api

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// Limits of every body.
const (
	maxDepth  = 8  // of nesting
	maxFaults = 50 // reported for one body
)

// A reader walks over one JSON value token by token, because only so does every fault get its place and all of
// them are found at once. After a syntax error it reads nothing more.
type reader struct {
	json  *jsontext.Decoder
	buf   bytes.Buffer
	src   string // the whole value: strings are parts of it, not copies
	fault *survey.FieldError
	errs  survey.InvalidError
	meant []string // pointers of what unknown members were probably meant to be
}

// readers spares the buffers of a decoder for each call. Only the reader itself is kept, nothing of a request.
type readers struct{ pool sync.Pool }

func (p *readers) take(src string) *reader {
	r, ok := p.pool.Get().(*reader)
	if !ok {
		r = &reader{json: new(jsontext.Decoder)}
	}
	r.src, r.fault, r.errs, r.meant = src, nil, nil, nil
	r.buf.Reset()
	r.buf.WriteString(src)
	r.json.Reset(&r.buf)
	return r
}

func (p *readers) give(r *reader) {
	r.src, r.fault, r.errs, r.meant = "", nil, nil, nil
	if r.buf.Cap() <= web.MaxBody {
		p.pool.Put(r)
	}
}

// err is everything that was found, nil when all is well; unreadable is true when reading could not end.
func (r *reader) err() (errs survey.InvalidError, unreadable bool) {
	if r.fault != nil {
		return survey.InvalidError{*r.fault}, true
	}
	return r.errs, false
}

// end reads that nothing comes after the value.
func (r *reader) end() {
	if r.fault != nil {
		return
	}
	if _, err := r.json.ReadToken(); err == nil {
		r.fault = &survey.FieldError{
			Code:   web.CodeInvalidJSON,
			Detail: fmt.Sprintf("at byte %d: something follows after the end of the JSON value", r.json.InputOffset()),
		}
	} else if r.json.InputOffset() != int64(len(r.src)) && strings.TrimRight(r.src[r.json.InputOffset():], " \t\r\n") != "" {
		r.broken(err)
	}
}

// broken keeps the one error of an unreadable value.
func (r *reader) broken(err error) {
	if r.fault != nil {
		return
	}
	r.fault = syntaxFault(err, r.src)
}

func syntaxFault(err error, src string) *survey.FieldError {
	f := &survey.FieldError{Code: web.CodeInvalidJSON}
	at := int64(len(src))
	why := "the JSON value is cut off"
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = syntax.ByteOffset
		f.Pointer = string(syntax.JSONPointer)
		if !strings.Contains(syntax.Err.Error(), "EOF") {
			why = syntax.Err.Error()
		}
		if errors.Is(err, jsontext.ErrDuplicateName) {
			f.Code = web.CodeDuplicateMember
			why = "the member is there twice"
		}
	}
	if strings.TrimSpace(src) == "" {
		why = "the body is empty"
	}
	f.Detail = fmt.Sprintf("at byte %d: %s", at, why)
	return f
}

// here is the pointer of what was read last.
func (r *reader) here() string { return string(r.json.StackPointer()) }

// wrong notes a fault of what was read last.
func (r *reader) wrong(code, detail string) { r.wrongAt(r.here(), code, detail) }

func (r *reader) wrongAt(pointer, code, detail string) {
	if len(r.errs) < maxFaults {
		r.errs = append(r.errs, survey.FieldError{Pointer: pointer, Code: code, Detail: detail})
	}
}

// value reads one value whole and gives its text.
func (r *reader) value() string {
	if r.fault != nil {
		return "null"
	}
	raw, err := r.json.ReadValue()
	if err != nil {
		r.broken(err)
		return "null"
	}
	if (raw[0] == '{' || raw[0] == '[') && r.json.StackDepth()+depth(raw) > maxDepth {
		r.fault = &survey.FieldError{
			Pointer: r.here(), Code: web.CodeInvalidJSON, Detail: fmt.Sprintf("is nested too deep; at most %d levels are allowed", maxDepth),
		}
		return "null"
	}
	end := r.json.InputOffset()
	return r.src[end-int64(len(raw)) : end]
}

// depth is how deep a valid JSON value is nested.
func depth(raw []byte) int {
	level, most, quoted := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			level++
			most = max(most, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return most
}

// begin enters an object; false when there is none to walk through: null, or another type, which is a fault.
func (r *reader) begin() bool { return r.enter('{', "an object") }

// beginList enters an array, in the same way.
func (r *reader) beginList() bool { return r.enter('[', "an array") }

func (r *reader) enter(kind jsontext.Kind, name string) bool {
	if r.fault != nil {
		return false
	}
	if got := r.json.PeekKind(); got != kind {
		if raw := r.value(); raw != "null" {
			r.wrong(web.CodeWrongType, "is "+kindOf(raw)+"; it has to be "+name)
		}
		return false
	}
	if _, err := r.json.ReadToken(); err != nil {
		r.broken(err)
		return false
	}
	return true
}

// more reports whether the object or array goes on; at its end it leaves it.
func (r *reader) more() bool {
	if r.fault != nil {
		return false
	}
	switch r.json.PeekKind() {
	case '}', ']':
		if _, err := r.json.ReadToken(); err != nil {
			r.broken(err)
		}
		return false
	case 0: // an error; reading the token tells which
		if _, err := r.json.ReadToken(); err != nil {
			r.broken(err)
		}
		return false
	default:
		return true
	}
}

// name reads the name of a member.
func (r *reader) name() string { return r.unquote(r.value()) }

func (r *reader) unquote(raw string) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	plain, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		r.broken(err)
	}
	return string(plain)
}

// unknown skips the value of a member that is none of known, and says which one was meant.
func (r *reader) unknown(name string, known ...string) {
	here := r.here()
	r.value()
	if r.fault != nil {
		return
	}
	detail := "unknown member " + strconv.Quote(clip(name))
	if near := survey.Nearest(name, known); near != "" {
		detail += "; did you mean " + strconv.Quote(near) + "?"
		r.meant = append(r.meant, here[:strings.LastIndexByte(here, '/')+1]+near)
	} else {
		detail += "; known here are " + strings.Join(known, ", ")
	}
	r.wrongAt(here, web.CodeUnknownMember, detail)
}

// text reads a string of at most limit bytes on one line; null is "".
func (r *reader) text(limit int) string { return r.string(limit, false) }

// lines reads a string in which line ends and tabs are allowed.
func (r *reader) lines(limit int) string { return r.string(limit, true) }

func (r *reader) string(limit int, multiline bool) string {
	raw := r.value()
	if raw == "null" {
		return ""
	}
	if raw[0] != '"' {
		r.wrong(web.CodeWrongType, "is "+kindOf(raw)+"; it has to be a string")
		return ""
	}
	s := r.unquote(raw)
	if len(s) > limit {
		r.wrong(web.CodeTooLong, fmt.Sprintf("has %d bytes; at most %d are allowed", len(s), limit))
		return ""
	}
	if len(s) != len(raw)-2 && strings.ContainsFunc(s, func(c rune) bool { return control(c, multiline) }) {
		r.wrong(web.CodeInvalidValue, "holds a control character, such as a line end; leave it out")
		return ""
	}
	return s
}

// control tells whether a character is a control character; JSON has them only escaped.
func control(c rune, multiline bool) bool {
	if multiline && (c == '\n' || c == '\t' || c == '\r') {
		return false
	}
	return c < ' ' || c == 0x7f
}

// time reads a time of RFC 3339; null is the zero time.
func (r *reader) time() time.Time {
	s := r.text(64)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		r.wrong(web.CodeInvalidTime, strconv.Quote(clip(s))+" is no time of RFC 3339; write it like 2026-11-20T14:03:00Z")
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// duration reads a duration such as 90m or 3d; ok is false when there is none.
func (r *reader) duration(limit time.Duration) (d time.Duration, ok bool) {
	s := r.text(32)
	if s == "" {
		return 0, false
	}
	d, ok = parseDuration(s)
	switch {
	case !ok:
		r.wrong(web.CodeInvalidDuration, strconv.Quote(clip(s))+" is no duration; write it like 90m, 2h, 3d or 1d12h")
	case d > limit:
		ok = false
		r.wrong(web.CodeInvalidDuration, fmt.Sprintf("%s is too long; at most %dd are allowed", s, limit/(24*time.Hour)))
	}
	return d, ok
}

// parseDuration reads whole numbers with a unit, s m h d or w, largest first or not. A day has 24 hours.
func parseDuration(s string) (time.Duration, bool) {
	const most = int64(1<<62) / int64(time.Second)
	var sum, n int64 // seconds, and of a unit
	digits := 0
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' {
			if digits++; digits > 6 {
				return 0, false
			}
			n = n*10 + int64(c-'0')
			continue
		}
		unit, known := unitOf(c)
		if !known || digits == 0 {
			return 0, false
		}
		if n > (most-sum)/unit { // the sum would not fit
			return 0, false
		}
		sum, n, digits = sum+n*unit, 0, 0
	}
	return time.Duration(sum) * time.Second, digits == 0 && s != ""
}

// unitOf gives the seconds of a unit.
func unitOf(c byte) (int64, bool) {
	switch c {
	case 's':
		return 1, true
	case 'm':
		return 60, true
	case 'h':
		return 60 * 60, true
	case 'd':
		return 24 * 60 * 60, true
	case 'w':
		return 7 * 24 * 60 * 60, true
	default:
		return 0, false
	}
}

// kindOf names the type of a JSON value for people.
func kindOf(raw string) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// clip keeps an echo of the caller's words short.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// finish reads that nothing follows, and gives every fault as an error.
func (r *reader) finish() error {
	r.end()
	if errs, _ := r.err(); errs != nil {
		return errs
	}
	return nil
}
