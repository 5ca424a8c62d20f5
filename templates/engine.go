package templates

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/osteele/liquid/filters"
	"github.com/osteele/liquid/parser"
	"github.com/osteele/liquid/render"
	"github.com/osteele/liquid/tags"
	"github.com/osteele/liquid/values"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// The limits of one render. A message needs a hundredth of each.
const (
	maxSource  = 100 << 10 // bytes of a source
	maxOutput  = 256 << 10 // bytes of a result, and of a {% capture %}
	maxValue   = 64 << 10  // bytes of all strings in a value that goes in or out of a filter; 16 more for each element
	maxSteps   = 10_000    // turns of loops and calls of filters
	maxRange   = 1_000     // turns of (1..n)
	maxLoops   = 3         // loops inside of one another
	maxBlocks  = 50        // blocks inside of one another
	renderTime = time.Second
)

// The tags that rewrite puts into a source: a step of a loop, and capture with a limit.
const (
	tickTag    = "odziv_tick"
	captureTag = "odziv_capture"
)

// ErrLimit says that a message was stopped because it takes too long or grows too large.
var ErrLimit = errors.New("the message takes too long or grows too large")

// An Engine compiles and renders Liquid: osteele/liquid inside of a fence.
//
//   - There is no include and no render, and the store behind them refuses: no file is ever read.
//   - Values are strings, numbers, truth values, maps and lists, copied in; no Go method can be called.
//   - Compile refuses what can run away: ranges over 1,000 or with an end that is not a number, loops deeper than
//     three, values that grow in a loop, and everything that the engine would leave in the message as text.
//   - What passes still runs on a budget, for a value may come from outside: every turn of every loop, also of an
//     empty one, goes through a tick that Compile puts into it, every filter is wrapped, and {% capture %} and
//     the result are written through a writer with a limit. Each of them counts a step, looks at the context and
//     at the clock. A filter is given and may return 64 KiB at most, and what a few of them would make is
//     computed before they make it: doubling a string ends at once.
//   - A panic is an error. Errors never hold a value.
//
// Its zero value is not ready: NewEngine. Safe for concurrent use.
type Engine struct {
	compiler *machine
	machines sync.Pool // of *machine
}

// NewEngine makes an engine.
func NewEngine() *Engine {
	e := &Engine{compiler: newMachine()}
	e.machines.New = func() any { return newMachine() }
	return e
}

// A Program is a compiled source. Safe for concurrent use.
type Program struct {
	root    render.Node
	engine  *Engine
	fixed   bool // there is no tag in it: every result is source
	source  string
	foreign map[string]bool // values of Vars that the source does not name
}

// Compile reads a source. The error is a SourceError.
func (e *Engine) Compile(source string) (p *Program, err error) {
	findings := inspect(source, e.compiler.names)
	for _, f := range findings {
		if f.fatal {
			line, column := position(source, f.start)
			return nil, &SourceError{Line: line, Column: column, Code: f.code, Message: f.message}
		}
	}
	tokens, _, _ := scan(source)
	text := rewrite(source, tokens)
	defer func() {
		if recover() != nil {
			p, err = nil, &SourceError{Line: 1, Column: 1, Code: "syntax", Message: "this cannot be read"}
		}
	}()
	root, fault := e.compiler.cfg.Compile(text, parser.SourceLoc{LineNo: 1})
	if fault != nil {
		return nil, &SourceError{Line: fault.LineNumber(), Column: 1, Code: "syntax", Message: fault.Error()}
	}
	p = &Program{root: root, engine: e, source: source, foreign: make(map[string]bool)}
	p.fixed = !strings.Contains(source, "{{") && !strings.Contains(source, "{%")
	for _, name := range []string{"contact", "brand", "transaction", "links", "survey", "score", "segment"} {
		if !strings.Contains(source, name) {
			p.foreign[name] = true
		}
	}
	return p, nil
}

// A SourceError is a fault of a source, where it is. Line and Column count from 1; columns are UTF-16 code units, as
// editors in browsers count.
type SourceError struct {
	Line, Column int
	Code         string
	Message      string
}

func (e *SourceError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// run renders into marked text: each value of a variable stands between markOpen and markClose. links, unless they are
// zero, outrank those of vars.
func (p *Program) run(ctx context.Context, vars map[string]any, links URLs, locale, digits string) (out string, err error) {
	if p.fixed {
		return p.source, nil
	}
	m, _ := p.engine.machines.Get().(*machine)
	defer func() {
		if recover() != nil {
			err = errors.New("the message cannot be made of these values")
		}
		m.ctx, m.fault = nil, nil
		p.engine.machines.Put(m)
	}()
	m.ctx, m.until, m.steps = ctx, time.Now().Add(renderTime), maxSteps
	m.locale, m.digits = locale, digits
	sink := &sink{m: m}
	fault := render.Render(p.root, sink, m.bind(vars, links, p.foreign), m.cfg)
	switch {
	case m.fault != nil: // loops and captures may have swallowed it
		return "", m.fault
	case fault != nil:
		return "", fmt.Errorf("line %d: the message cannot be made of these values", fault.LineNumber())
	default:
		return sink.buf.String(), nil
	}
}

// A machine runs one render at a time: the engine's filters get no context, so each machine has its own, bound to it.
type machine struct {
	cfg    render.Config
	names  vocabulary
	ctx    context.Context //nolint:containedctx // of the render under way; the engine's filters are given none
	until  time.Time
	steps  int
	fault  error // what stopped the render
	locale string
	digits string
}

// vocabulary is what the engine knows.
type vocabulary struct{ filters []string }

type noFiles struct{}

// ReadTemplate implements render.TemplateStore.
func (noFiles) ReadTemplate(string) ([]byte, error) {
	return nil, errors.New("messages include no files")
}

func newMachine() *machine {
	m := &machine{cfg: render.NewConfig()}
	m.cfg.TemplateStore = noFiles{}
	m.addFilter("safe", func(v any) any { return v }) // no way around the escaping
	filters.AddStandardFilters(registrar{m})
	m.ownFilters()
	slices.Sort(m.names.filters)
	tags.AddStandardTags(&m.cfg)
	m.cfg.UnregisterTag("include")
	m.cfg.UnregisterTag("render")
	m.cfg.AddTag(tickTag, func(string) (func(io.Writer, render.Context) error, error) {
		return func(_ io.Writer, c render.Context) error { return machineOf(c).spend(1) }, nil
	})
	m.cfg.AddBlock(captureTag).Compiler(func(node render.BlockNode) (func(io.Writer, render.Context) error, error) {
		name := strings.TrimSpace(node.Args)
		return func(_ io.Writer, c render.Context) error {
			s := &sink{m: machineOf(c)}
			if err := c.RenderChildren(s); err != nil {
				return err
			}
			c.Set(name, s.buf.String())
			return nil
		}, nil
	})
	m.cfg.SetAutoEscapeReplacer(marker{})
	return m
}

// machineKey is no name that a source can write.
const machineKey = ".machine"

func machineOf(c render.Context) *machine {
	m, _ := c.Get(machineKey).(*machine)
	return m
}

func (m *machine) spend(n int) error {
	if m.fault != nil {
		return m.fault
	}
	m.steps -= n
	if err := m.ctx.Err(); err != nil {
		m.fault = fmt.Errorf("render: %w", err)
	} else if m.steps < 0 || time.Now().After(m.until) {
		m.fault = ErrLimit
	}
	return m.fault
}

// A sink collects up to maxOutput bytes.
type sink struct {
	m   *machine
	buf strings.Builder
}

func (s *sink) Write(p []byte) (int, error) {
	if s.m.fault != nil {
		return 0, s.m.fault
	}
	if s.buf.Len()+len(p) > maxOutput || time.Now().After(s.m.until) {
		s.m.fault = ErrLimit
		return 0, ErrLimit
	}
	return s.buf.Write(p)
}

// The marks around the value of a variable: FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE. In right-to-left text
// they stay, in HTML they become <bdi>, elsewhere they go.
//
// Source: https://www.unicode.org/reports/tr9/#Explicit_Directional_Isolates
const (
	markOpen  = '\u2068'
	markClose = '\u2069'
	markBreak = '\u2028' // a line break inside of a value, <br> in HTML
)

type marker struct{}

// WriteString implements render.Replacer. Values hold no marks (bind takes them out), so a string with marks was
// captured from this message and is marked already; unless a filter cut it.
func (marker) WriteString(w io.Writer, s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	if strings.ContainsRune(s, markOpen) || strings.ContainsRune(s, markClose) {
		if balanced(s) {
			return io.WriteString(w, s)
		}
		s = strings.Map(dropControls, s)
	}
	return io.WriteString(w, string(markOpen)+s+string(markClose))
}

func balanced(s string) bool {
	depth := 0
	for _, r := range s {
		switch r {
		case markOpen:
			depth++
		case markClose:
			depth--
		}
		if depth < 0 || depth > 1 {
			return false
		}
	}
	return depth == 0
}

// dropControls takes from a value what could turn, break or end the text around it.
func dropControls(r rune) rune {
	switch {
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069': // bidi embeddings, overrides, isolates
		return -1
	case r == '\u2028' || r == '\u2029' || r == '\u0085':
		return ' '
	case r == '\n' || r == '\t':
		return r
	case r < ' ' || (r >= 0x7f && r < 0xa0) || r == '\ufeff' || r == utf8.RuneError:
		return -1
	default:
		return r
	}
}

// bind copies the values that a source may see, but for those that it does not name.
func (m *machine) bind(vars map[string]any, links URLs, foreign map[string]bool) map[string]any {
	out := make(map[string]any, len(vars)+2)
	for k, v := range vars {
		if !foreign[k] && (k != "links" || links == (URLs{})) {
			out[k] = plain(v, 0)
		}
	}
	if !foreign["links"] && links != (URLs{}) {
		out["links"] = map[string]any{"page": clean(links.Page), "unsubscribe": clean(links.Unsubscribe)}
	}
	out[machineKey] = m
	return out
}

// clean is s through dropControls; most strings have nothing to drop, and need no copy.
func clean(s string) string {
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' && c != '\n' && c != '\t', c == 0x7f,
			c == 0xc2, c == 0xe2, c == 0xef: // what is dropped begins with these, and much that is not
			return strings.Map(dropControls, s)
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if !ascii && !utf8.ValidString(s) {
		return strings.Map(dropControls, s)
	}
	return s
}

// plain makes of a value one without methods, and of its strings such without control characters.
func plain(v any, depth int) any {
	if depth > 8 {
		return nil
	}
	switch v := v.(type) {
	case nil, bool, int:
		return v
	case string:
		return clean(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e, depth+1)
		}
		return out
	case map[string]string:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e, depth+1)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e, depth+1)
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e, depth+1)
		}
		return out
	default:
		rv := reflect.ValueOf(v)
		switch rv.Kind() {
		case reflect.String:
			return plain(rv.String(), depth)
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			return int(rv.Int())
		case reflect.Pointer:
			if !rv.IsNil() && rv.Elem().Kind() == reflect.Int {
				return int(rv.Elem().Int())
			}
			return nil
		default: // structs have methods; nothing of ours is one
			return nil
		}
	}
}

// registrar wraps what the engine registers.
type registrar struct{ m *machine }

// AddFilter implements filters.FilterDictionary.
func (r registrar) AddFilter(name string, fn any) { r.m.addFilter(name, fn) }

func (m *machine) addFilter(name string, fn any) {
	f := reflect.ValueOf(fn)
	if !slices.Contains(m.names.filters, name) && name != "safe" {
		m.names.filters = append(m.names.filters, name)
	}
	m.cfg.AddFilter(name, func(in any, args ...any) (out any, err error) {
		if err := m.spend(1); err != nil {
			return nil, err
		}
		defer func() {
			if recover() != nil { // the engine's own words would hold the value
				out, err = nil, fmt.Errorf("%s cannot take this value", name)
			}
		}()
		if numeric[name] {
			in = number(in)
		}
		call := append([]any{in}, args...)
		if weigh(call, 0) > maxValue || growth(name, call) > maxValue {
			m.fault = ErrLimit
			return nil, m.fault
		}
		out, err = values.Call(f, call)
		if err != nil {
			return nil, fmt.Errorf("%s cannot take this value", name)
		}
		if f, ok := out.(float64); ok { // 0.1 + 0.2 is 0.3 to a marketer
			out, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', 15, 64), 64)
		}
		if weigh(out, 0) > maxValue {
			m.fault = ErrLimit
			return nil, m.fault
		}
		return out, nil
	})
}

// numeric filters take what is no number as 0, as Liquid does.
var numeric = map[string]bool{ //nolint:gochecknoglobals // a table
	"abs": true, "ceil": true, "floor": true, "round": true, "plus": true, "minus": true, "times": true,
	"divided_by": true, "modulo": true, "at_least": true, "at_most": true,
}

func number(v any) any {
	switch v := v.(type) {
	case int, int64, float64:
		return v
	case string:
		s := strings.TrimSpace(v)
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
	}
	return 0
}

// weigh is about how many bytes a value is; it stops counting above maxValue.
func weigh(v any, depth int) int {
	if depth > 8 {
		return maxValue + 1
	}
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		n := 16 * len(v)
		for _, e := range v {
			if n > maxValue {
				return n
			}
			n += weigh(e, depth+1)
		}
		return n
	case []string:
		n := 16 * len(v)
		for _, e := range v {
			n += len(e)
		}
		return n
	case map[string]any:
		n := 16 * len(v)
		for k, e := range v {
			if n > maxValue {
				return n
			}
			n += len(k) + weigh(e, depth+1)
		}
		return n
	default:
		return 16
	}
}

// growth is how large the result of a filter can become, for those that multiply.
func growth(name string, call []any) int {
	text := func(i int) int {
		if i < len(call) {
			return weigh(call[i], 0)
		}
		return 0
	}
	switch name {
	case "replace":
		if len(call) < 3 {
			return 0
		}
		s, old := fmt.Sprint(call[0]), fmt.Sprint(call[1])
		return len(s) + strings.Count(s, old)*text(2)
	case "join":
		if list, ok := call[0].([]any); ok {
			return text(0) + len(list)*text(1)
		}
		if list, ok := call[0].([]string); ok {
			return text(0) + len(list)*text(1)
		}
		return 0
	case "append", "prepend", "concat", "replace_first", "replace_last":
		return text(0) + text(1) + text(2)
	case "split":
		return 17 * text(0)
	default:
		return 0
	}
}

// ownFilters adds what customers' languages need, and mends what the engine does otherwise than Liquid.
func (m *machine) ownFilters() {
	// Escaping is done once, at the end and where the result is HTML: these would do it twice, or show &amp; in an SMS.
	same := func(s string) string { return s }
	m.addFilter("escape", same)
	m.addFilter("escape_once", same)
	m.addFilter("newline_to_br", func(s string) string { return strings.ReplaceAll(s, "\n", string(markBreak)) })
	m.addFilter("digits", func(s string) string { return localDigits(s, m.digits) })
	m.addFilter("date", func(v any, format func(string) string) string {
		return formatDate(fmt.Sprint(orEmpty(v)), format("long"), m.locale)
	})
	m.addFilter("plural", func(v any, forms ...string) string { return pluralForm(m.locale, v, forms) })
	m.addFilter("divided_by", func(a, b any) (any, error) {
		b = number(b)
		x, xInt := a.(int)
		y, yInt := b.(int)
		switch {
		case toFloat(b) == 0:
			return nil, errors.New("division by zero")
		case xInt && yInt:
			return int(math.Floor(float64(x) / float64(y))), nil
		default:
			return toFloat(a) / toFloat(b), nil
		}
	})
	for _, gone := range []string{"inspect", "type", "json", "handle"} { // of no use in a message
		m.names.filters = slices.DeleteFunc(m.names.filters, func(s string) bool { return s == gone })
	}
}

func orEmpty(v any) any {
	if v == nil {
		return ""
	}
	return v
}

func toFloat(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	default:
		return 0
	}
}

// pluralForm picks from forms by CLDR, given in CLDR's order without those that the language lacks: one, other in
// English; one, few, other in Croatian; one, two, few, other in Slovenian. With fewer forms the last stands for the rest.
func pluralForm(locale string, v any, forms []string) string {
	if len(forms) == 0 {
		return ""
	}
	tag, err := language.Parse(locale)
	if err != nil {
		tag = language.English
	}
	digits := []byte(strings.TrimPrefix(fmt.Sprint(number(v)), "-"))
	exp := len(digits)
	if dot := slices.Index(digits, '.'); dot >= 0 {
		exp = dot
		digits = slices.Delete(digits, dot, dot+1)
	}
	for i := range digits {
		digits[i] -= '0'
	}
	form := plural.Cardinal.MatchDigits(tag, digits, exp, max(0, len(digits)-exp))
	base, _ := tag.Base()
	order := map[string][]plural.Form{
		"hr": {plural.One, plural.Few, plural.Other},
		"sr": {plural.One, plural.Few, plural.Other},
		"sl": {plural.One, plural.Two, plural.Few, plural.Other},
		"pl": {plural.One, plural.Few, plural.Many, plural.Other},
	}[base.String()]
	if order == nil {
		order = []plural.Form{plural.One, plural.Other}
	}
	i := slices.Index(order, form)
	if i < 0 {
		i = len(order) - 1
	}
	return forms[min(i, len(forms)-1)]
}

// Filters lists the filters that a source may use, sorted.
func (e *Engine) Filters() []string { return slices.Clone(e.compiler.names.filters) }

// Tags lists the tags that a source may use, sorted.
func (e *Engine) Tags() []string {
	out := slices.Sorted(maps.Keys(blocks))
	out = append(out, plainTags...)
	slices.Sort(out)
	return out
}
