package templates

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/odziv/odziv/survey"
)

// The severities of a remark.
const (
	SeverityError   = "error"   // it cannot be published
	SeverityWarning = "warning" // it can, and somebody should look
	SeverityInfo    = "info"
)

// The fields of a text to which remarks belong.
const (
	FieldSubject = "subject"
	FieldText    = "text"
	FieldHTML    = "html"
)

// A Remark is something to know about a message before it is published.
type Remark struct {
	Kind      survey.Kind    `json:"kind,omitempty"`
	Channel   survey.Channel `json:"channel,omitempty"`
	Locale    string         `json:"locale,omitempty"`
	Field     string         `json:"field"`      // subject, text or html
	Line      int            `json:"line"`       // from 1
	Column    int            `json:"column"`     // from 1, in UTF-16 code units as editors in browsers count
	EndColumn int            `json:"end_column"` // the first column after it, in the same line
	Severity  string         `json:"severity"`
	Code      string         `json:"code"` // stable
	Message   string         `json:"message"`
	Fix       string         `json:"fix,omitempty"`
}

// LintOptions is what Lint must know beside the text. The zero value lints without sizes in another locale's fold.
type LintOptions struct {
	Survey survey.Survey
	Pack   *Pack          // of the text's locale; nil = no fold
	Vars   map[string]any // sample values for the size of an SMS; nil = SampleVars
}

// Lint reads one text as its author types it: what is wrong, where, and how to mend it. Remarks are in the order of
// the fields and places.
func (e *Engine) Lint(src survey.Text, o LintOptions) []Remark {
	var out []Remark
	add := func(field, source string, findings []finding) {
		for _, f := range findings {
			line, column := position(source, f.start)
			end := min(f.end, f.start+lineLen(source[f.start:]))
			_, endColumn := position(source, max(end, f.start))
			out = append(out, Remark{
				Kind: src.Kind, Channel: src.Channel, Locale: src.Locale, Field: field,
				Line: line, Column: column, EndColumn: max(endColumn, column+1),
				Severity: f.severity, Code: f.code, Message: f.message, Fix: f.fix,
			})
		}
	}
	whole := func(field, severity, code, fix, format string, args ...any) {
		add(field, "", []finding{{0, 0, severity, code, fmt.Sprintf(format, args...), fix, false}})
	}
	email := src.Channel == survey.Email
	if email {
		if strings.TrimSpace(src.Subject) == "" {
			whole(FieldSubject, SeverityError, "missing_subject", "Write a subject.", "the email has no subject")
		}
		add(FieldSubject, src.Subject, e.inspect(src.Subject))
	}
	if strings.TrimSpace(src.Text) == "" {
		whole(FieldText, SeverityError, "missing_text", "Write the message.", "the message has no words")
	}
	add(FieldText, src.Text, e.inspect(src.Text))
	if email && src.HTML != "" {
		add(FieldHTML, src.HTML, e.inspect(src.HTML))
	}
	if email && (src.Kind == survey.Invitation || src.Kind == survey.Reminder) {
		for field, source := range map[string]string{FieldText: src.Text, FieldHTML: src.HTML} {
			if source == "" {
				continue
			}
			for _, link := range []struct{ name, code, message string }{
				{"links.page", "missing_page_link", "nobody can answer: the email has no link to the survey"},
				{"links.unsubscribe", "missing_unsubscribe_link", "the email has no link to unsubscribe"},
			} {
				severity := SeverityError
				if link.name == "links.unsubscribe" && field == FieldText && src.HTML == "" {
					severity = SeverityWarning // the standard layout adds its own
				}
				if !uses(source, link.name) {
					whole(field, severity, link.code, "Put {{ "+link.name+" }} where the link shall be.", "%s", link.message)
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Remark) int {
		order := []string{FieldSubject, FieldText, FieldHTML}
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Field), slices.Index(order, b.Field)),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Code, b.Code))
	})
	if src.Channel == survey.SMS || src.Channel == survey.Chat {
		out = append(out, e.smsRemarks(src, o)...)
	}
	return out
}

// smsRemarks tells what a text costs as an SMS, with sample values.
func (e *Engine) smsRemarks(src survey.Text, o LintOptions) []Remark {
	p, err := e.Compile(src.Text)
	if err != nil {
		return nil
	}
	pack := o.Pack
	if pack == nil {
		pack = fallbackPack(src.Locale)
	}
	vars := o.Vars
	if vars == nil {
		vars = SampleVars(o.Survey, src.Locale)
	}
	marked, err := p.run(context.Background(), vars, URLs{}, src.Locale, pack.Digits)
	if err != nil {
		return nil
	}
	whole := finishText(marked, pack.RTL, pack.Digits)
	sent := FoldSMS(whole, pack.SMSFold)
	size, plainSize := SizeOf(sent), SizeOf(whole)
	words := fmt.Sprintf("%d SMS segment%s, %s, with sample values", size.Segments, plural1(size.Segments), encoding(size))
	fix := ""
	if size.UCS2 {
		words += ": " + charList(UCS2Chars(strings.Map(dropControls, sent))) + " cannot be written in GSM-7"
		if folded := SizeOf(FoldSMS(whole, FoldLatinStrip)); folded.Segments < size.Segments {
			fix = fmt.Sprintf("Without these characters it would be %d.", folded.Segments)
		}
	} else if plainSize.UCS2 {
		words += fmt.Sprintf(" after the fold %q; as it is written, %d in UCS-2", pack.SMSFold, plainSize.Segments)
	}
	r := Remark{
		Kind: src.Kind, Channel: src.Channel, Locale: src.Locale, Field: FieldText, Line: 1, Column: 1, EndColumn: 2,
		Severity: SeverityInfo, Code: "sms_size", Message: words, Fix: fix,
	}
	if !size.UCS2 {
		return []Remark{r}
	}
	// Point at the first guilty character that is in the source itself.
	at := strings.IndexFunc(src.Text, func(c rune) bool { return slices.Contains(UCS2Chars(src.Text), c) })
	if at >= 0 {
		r.Line, r.Column = position(src.Text, at)
		r.EndColumn = r.Column + 1
	}
	return []Remark{r}
}

func encoding(s SMSSize) string {
	if s.UCS2 {
		return fmt.Sprintf("UCS-2, %d characters", s.Units)
	}
	return fmt.Sprintf("GSM-7, %d characters", s.Units)
}

func plural1(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func charList(chars []rune) string {
	const most = 12
	parts := make([]string, 0, most)
	for i, c := range chars {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(chars)-most))
			break
		}
		parts = append(parts, string(c))
	}
	return strings.Join(parts, " ")
}

// LintRelease reads what is about to be published: every text, and the places without one. A hole in a required
// locale is an error; in another it is a warning that says what customers would get.
func (e *Engine) LintRelease(sv survey.Survey, texts []survey.Text, packs map[string]*Pack) []Remark {
	var out []Remark
	byKey := make(map[textKey]survey.Text, len(texts))
	for _, t := range texts {
		out = append(out, e.Lint(t, LintOptions{Survey: sv, Pack: packs[t.Locale]})...)
		key := textKey{t.Kind, t.Channel, t.Locale}
		if _, twice := byKey[key]; twice {
			out = append(out, hole(key, SeverityError, "doubled", "Remove one of them.", "this message is there twice"))
		}
		byKey[key] = t
	}
	locales := slices.Clone(sv.Locales)
	for _, locale := range sv.Required {
		if !slices.Contains(locales, locale) {
			locales = append(locales, locale)
		}
	}
	for _, locale := range locales {
		required := slices.Contains(sv.Required, locale)
		for _, slot := range Slots() {
			key := textKey{slot.Kind, slot.Channel, locale}
			if t, ok := byKey[key]; ok && strings.TrimSpace(t.Text) != "" {
				continue
			}
			_, used, err := lookup(byKey, slot.Kind, slot.Channel, locale, sv.DefaultLocale)
			switch {
			case required:
				out = append(out, hole(key, SeverityError, "missing_required", "Write it.",
					"%s for %s is missing in %s, without which nothing is published", slot.Kind, slot.Channel, locale))
			case err != nil:
				out = append(out, hole(key, SeverityError, "missing_everywhere", "Write it in "+locale+" or "+sv.DefaultLocale+".",
					"%s for %s is missing in %s and has nothing to fall back to", slot.Kind, slot.Channel, locale))
			default:
				out = append(out, hole(key, SeverityWarning, "missing", "Write it, or leave it so.",
					"%s for %s is missing in %s; customers would get it as %s for %s", slot.Kind, slot.Channel, locale, used.locale, used.channel))
			}
		}
	}
	return out
}

func hole(k textKey, severity, code, fix, format string, args ...any) Remark {
	return Remark{
		Kind: k.kind, Channel: k.channel, Locale: k.locale, Field: FieldText, Line: 1, Column: 1, EndColumn: 2,
		Severity: severity, Code: code, Message: fmt.Sprintf(format, args...), Fix: fix,
	}
}

// HasErrors reports whether something in the remarks keeps a release from being published.
func HasErrors(remarks []Remark) bool {
	return slices.ContainsFunc(remarks, func(r Remark) bool { return r.Severity == SeverityError })
}

// position is the line and column of a byte of a source.
func position(src string, at int) (line, column int) {
	at = min(at, len(src))
	before := src[:at]
	line = strings.Count(before, "\n") + 1
	column = 1
	for _, r := range before[strings.LastIndexByte(before, '\n')+1:] {
		column++
		if r > 0xffff {
			column++
		}
	}
	return line, column
}

// blocks are the tags with an end, and the clauses that they may have.
var blocks = map[string][]string{ //nolint:gochecknoglobals // a table
	"if": {"elsif", "else"}, "unless": {"else"}, "case": {"when", "else"}, "for": {"else"},
	"tablerow": nil, "capture": nil, "comment": nil, "raw": nil,
}

var plainTags = []string{"assign", "break", "continue", "cycle", "echo"} //nolint:gochecknoglobals // a table

// notHere are tags that other programs have.
var notHere = map[string]string{ //nolint:gochecknoglobals // a table
	"include": "messages include nothing", "render": "messages include nothing",
	"layout": "the email layout is a setting", "section": "messages include nothing",
	"liquid": "write each tag in its own {% %}", "doc": "use {% comment %}", "ifchanged": "it is not part of this Liquid",
	"increment": "use {% assign %} with plus", "decrement": "use {% assign %} with minus",
	"javascript": "messages run no scripts", "style": "write the style into the HTML", "stylesheet": "write the style into the HTML",
}

// known is the tree of variables; a nil branch ends it, "*" takes any name.
type known map[string]known

func variables() known {
	any1 := known{"*": nil}
	return known{
		"contact": {"name": nil, "first_name": nil},
		"brand":   {"name": nil},
		"transaction": {
			"id": nil, "type": nil, "touchpoint": nil, "date": nil, "occurred_at": nil, "attributes": any1,
		},
		"links":   {"page": nil, "unsubscribe": nil},
		"score":   nil,
		"segment": nil,
		"survey":  {"min": nil, "max": nil},
	}
}

// VariableNames lists what a source may use, for completion in editors; * stands for any name.
func VariableNames() []string {
	var out []string
	var walk func(prefix string, k known)
	walk = func(prefix string, k known) {
		for name, below := range k {
			if below == nil {
				out = append(out, prefix+name)
				continue
			}
			walk(prefix+name+".", below)
		}
	}
	walk("", variables())
	slices.Sort(out)
	return out
}

var loopVariables = []string{"first", "last", "index", "index0", "rindex", "rindex0", "length"} //nolint:gochecknoglobals // a table

var words = []string{"true", "false", "nil", "null", "empty", "blank", "and", "or", "contains", "in", "reversed"} //nolint:gochecknoglobals // a table

func (e *Engine) inspect(src string) []finding { return inspect(src, e.compiler.names) }

// inspect reads a source.
func inspect(src string, names vocabulary) []finding {
	if len(src) > maxSource {
		return []finding{fatal(0, 0, "too_long", "Make it shorter.", "the source has %d bytes; %d are possible", len(src), maxSource)}
	}
	if !utf8.ValidString(src) {
		return []finding{fatal(0, 0, "not_utf8", "Save it as UTF-8.", "the source is not UTF-8")}
	}
	tokens, _, out := scan(src)
	in := inspector{src: src, names: names, assigned: map[string]bool{}}
	for _, t := range tokens {
		if !t.ignored {
			in.collect(t)
		}
	}
	for _, t := range tokens {
		if !t.ignored {
			in.token(t)
		}
	}
	for _, b := range in.open {
		in.out = append(in.out, fatal(b.start, b.end, "unclosed_block", "Write {% end"+b.name+" %} where it ends.",
			"{%% %s %%} is opened and never closed", b.name))
	}
	out = append(out, in.out...)
	clean := !slices.ContainsFunc(out, func(f finding) bool { return f.fatal })
	if clean && !sameTokens(rewrite(src, tokens)) {
		out = append(out, fatal(0, 0, "unreadable", "Look for braces in quotes, or in {% raw %} and {% comment %}.",
			"the braces of this source cannot be told apart"))
	}
	slices.SortStableFunc(out, func(a, b finding) int { return cmp.Compare(a.start, b.start) })
	return out
}

type inspector struct {
	src      string
	names    vocabulary
	assigned map[string]bool
	open     []token
	out      []finding
}

func (in *inspector) add(f finding) { in.out = append(in.out, f) }

// target is the name that a tag gives a value, and the lexemes of that value.
func target(t token) (string, []lexeme) {
	lx := lex(t.args, t.argsAt)
	if len(lx) == 0 || lx[0].kind != lexName {
		return "", lx
	}
	switch t.name {
	case "assign", "for", "tablerow":
		return lx[0].text, lx[1:]
	case "capture":
		return lx[0].text, nil
	default:
		return "", lx
	}
}

func (in *inspector) collect(t token) {
	if t.kind == tagToken {
		if name, _ := target(t); name != "" {
			in.assigned[name] = true
		}
	}
}

func (in *inspector) token(t token) {
	switch {
	case t.kind == noteToken:
		return
	case t.kind == tagToken && !in.tag(t):
		return
	}
	if !readable(t) {
		what := "this cannot be read"
		if t.kind == tagToken {
			what = "the words after " + t.name + " cannot be read"
		}
		in.add(fatal(t.start, t.end, "syntax", syntaxHint(t), "%s", what))
		return
	}
	in.expression(t)
	in.growing(t)
}

func syntaxHint(t token) string {
	switch {
	case strings.Count(t.args, "'")%2 == 1 || strings.Count(t.args, `"`)%2 == 1:
		return "A quotation mark is not closed."
	case strings.ContainsAny(t.args, "“”„‘’"):
		return `Use straight quotation marks: "…" or '…'.`
	case t.name == "assign" && strings.Contains(strings.SplitN(t.args, "=", 2)[0], "."):
		return "A name that is assigned has no dot."
	case strings.Contains(t.args, " :"):
		return "Write the colon right after the filter's name."
	case t.name == "for":
		return "Write {% for item in list %}."
	default:
		return "Look for a missing or doubled sign."
	}
}

// tag checks the structure; false = there is nothing more to say of this tag.
func (in *inspector) tag(t token) bool {
	if ended, isEnd := strings.CutPrefix(t.name, "end"); isEnd {
		if _, isBlock := blocks[ended]; isBlock {
			return in.end(t, ended)
		}
	}
	if why, ok := notHere[t.name]; ok {
		in.add(fatal(t.start, t.end, "unknown_tag", "", "{%% %s %%} cannot be used: %s", t.name, why))
		return false
	}
	top := ""
	if len(in.open) > 0 {
		top = in.open[len(in.open)-1].name
	}
	if _, isBlock := blocks[t.name]; isBlock {
		in.open = append(in.open, t)
		loops := in.loops()
		if loops > maxLoops && (t.name == "for" || t.name == "tablerow") {
			in.add(fatal(t.start, t.end, "nesting", "Take a loop out.", "%d loops are inside of one another; %d are possible", loops, maxLoops))
		}
		if len(in.open) == maxBlocks+1 {
			in.add(fatal(t.start, t.end, "nesting", "Take a block out.", "more than %d blocks are inside of one another", maxBlocks))
		}
		return true
	}
	if slices.Contains(plainTags, t.name) {
		if (t.name == "break" || t.name == "continue" || t.name == "cycle") && in.loops() == 0 {
			in.add(fatal(t.start, t.end, "outside_loop", "Put it between {% for … %} and {% endfor %}.",
				"{%% %s %%} is not inside of a loop", t.name))
			return false
		}
		return true
	}
	var parents []string
	for name, clauses := range blocks {
		if slices.Contains(clauses, t.name) {
			parents = append(parents, name)
		}
	}
	if len(parents) > 0 {
		if slices.Contains(parents, top) {
			return true
		}
		slices.Sort(parents)
		in.add(fatal(t.start, t.end, "misplaced", "", "{%% %s %%} belongs inside of %s", t.name, strings.Join(parents, " or ")))
		return false
	}
	all := slices.Clone(plainTags)
	for name, clauses := range blocks {
		all = append(append(all, name, "end"+name), clauses...)
	}
	in.add(fatal(t.start, t.end, "unknown_tag", didYouMean(t.name, all), "there is no tag %q", t.name))
	return false
}

func (in *inspector) loops() int {
	n := 0
	for _, b := range in.open {
		if b.name == "for" || b.name == "tablerow" {
			n++
		}
	}
	return n
}

func (in *inspector) end(t token, ended string) bool {
	n := len(in.open)
	switch {
	case n > 0 && in.open[n-1].name == ended:
		in.open = in.open[:n-1]
	case n > 0:
		in.add(fatal(t.start, t.end, "misplaced", "Close {% "+in.open[n-1].name+" %} first.",
			"{%% %s %%} closes nothing: {%% %s %%} is open", t.name, in.open[n-1].name))
		for i := n - 1; i >= 0; i-- { // one remark for two crossed blocks
			if in.open[i].name == ended {
				in.open = in.open[:i]
				break
			}
		}
	default:
		in.add(fatal(t.start, t.end, "misplaced", "Remove it, or open {% "+ended+" %} before.", "{%% %s %%} closes nothing", t.name))
	}
	return false
}

// expression checks names, filters and ranges.
func (in *inspector) expression(t token) {
	if t.kind == tagToken && (t.name == "else" || t.name == "break" || t.name == "continue" || t.name == "capture" ||
		t.name == "comment" || t.name == "raw") {
		return
	}
	_, lx := target(t)
	for i := 0; i < len(lx); i++ {
		x := lx[i]
		switch {
		case x.text == ".." && x.kind == lexSign:
			in.rangeOf(lx, i)
		case x.kind == lexName || x.kind == lexKeyword:
			if i > 0 && lx[i-1].kind == lexSign && lx[i-1].text == "|" {
				if !slices.Contains(in.names.filters, x.text) {
					fix := didYouMean(x.text, in.names.filters)
					if x.text == "safe" {
						fix = "Values are always escaped in HTML."
					}
					in.add(fatal(x.start, x.end, "unknown_filter", fix, "there is no filter %q", x.text))
				}
				continue
			}
			if x.kind == lexKeyword || slices.Contains(words, x.text) {
				continue
			}
			i = in.variable(lx, i)
		}
	}
}

// variable checks the name that begins at lx[i] and gives the place of its last part.
func (in *inspector) variable(lx []lexeme, i int) int {
	x := lx[i]
	last := i
	for last+1 < len(lx) && lx[last+1].kind == lexProperty {
		last++
	}
	if in.assigned[x.text] {
		return last
	}
	if x.text == "forloop" {
		if last > i && !slices.Contains(loopVariables, lx[i+1].text) {
			in.unknown(lx[i], lx[last], "forloop."+lx[i+1].text, prefixed("forloop.", loopVariables))
		}
		return last
	}
	tree, path := variables(), ""
	for at := i; at <= last; at++ {
		name := lx[at].text
		path += name
		below, ok := tree[name]
		_, anyName := tree["*"]
		switch {
		case !ok && !anyName && tree == nil && slices.Contains([]string{"size", "first", "last"}, name):
			return last
		case !ok && !anyName:
			for _, rest := range lx[at+1 : last+1] {
				path += "." + rest.text
			}
			in.unknown(lx[i], lx[last], path, VariableNames())
			return last
		}
		tree = below
		path += "."
	}
	return last
}

func (in *inspector) unknown(first, last lexeme, path string, all []string) {
	in.add(finding{
		first.start, last.end, SeverityError, "unknown_variable",
		fmt.Sprintf("there is no variable %q", path), didYouMean(path, all), false,
	})
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = prefix + n
	}
	return out
}

// rangeOf lets only (number..number) with up to maxRange turns pass.
func (in *inspector) rangeOf(lx []lexeme, i int) {
	whole := i > 1 && i+2 < len(lx) && lx[i-2].text == "(" && lx[i+2].text == ")"
	if !whole || lx[i-1].kind != lexNumber || lx[i+1].kind != lexNumber {
		in.add(fatal(lx[max(0, i-1)].start, lx[min(i+1, len(lx)-1)].end, "range", "Write numbers, such as (1..10).",
			"the ends of a range must be numbers"))
		return
	}
	from, err1 := strconv.Atoi(lx[i-1].text)
	to, err2 := strconv.Atoi(lx[i+1].text)
	if err1 != nil || err2 != nil || to-from >= maxRange || from < -1_000_000 || to > 1_000_000 {
		in.add(fatal(lx[i-1].start, lx[i+1].end, "range", "Use a shorter range.", "a range has at most %d numbers", maxRange))
	}
}

// growing refuses a value that is made of itself in a loop: it doubles with every turn.
func (in *inspector) growing(t token) {
	if t.kind != tagToken || in.loops() == 0 {
		return
	}
	switch t.name {
	case "assign":
		name, value := target(t)
		// A counter may grow: numbers do not get longer. Text may not.
		if slices.ContainsFunc(value, func(x lexeme) bool { return x.kind == lexName && x.text == name }) && !counts(value) {
			in.add(fatal(t.start, t.end, "growing", "Assign to another name, or do it outside of the loop.",
				"%s grows with every turn of the loop", name))
		}
	case "capture":
		name, _ := target(t)
		end := strings.Index(in.src[t.end:], "endcapture")
		if end < 0 {
			return
		}
		inner, _, _ := scan(in.src[t.end : t.end+end])
		for _, other := range inner {
			if slices.ContainsFunc(lex(other.args, other.argsAt), func(x lexeme) bool { return x.kind == lexName && x.text == name }) {
				in.add(fatal(t.start, t.end, "growing", "Capture into another name.", "%s grows with every turn of the loop", name))
				return
			}
		}
	}
}

// counts reports whether an assigned value is arithmetic.
func counts(value []lexeme) bool {
	filtered := false
	for i, x := range value {
		if i > 0 && value[i-1].text == "|" && value[i-1].kind == lexSign {
			if !numeric[x.text] {
				return false
			}
			filtered = true
		}
	}
	return filtered
}

// uses reports whether a source outputs the variable of that path somewhere.
func uses(src, path string) bool {
	root, below, _ := strings.Cut(path, ".")
	tokens, _, _ := scan(src)
	for _, t := range tokens {
		if t.ignored {
			continue
		}
		lx := lex(t.args, t.argsAt)
		for i, x := range lx {
			if x.kind == lexName && x.text == root && i+1 < len(lx) && lx[i+1].kind == lexProperty && lx[i+1].text == below {
				return true
			}
		}
	}
	return false
}

// didYouMean names the nearest of all, "" when none is near. The end of a path is as good as the whole: «name» alone means contact.name
// or brand.name.
func didYouMean(word string, all []string) string {
	all = slices.DeleteFunc(slices.Clone(all), func(candidate string) bool { return strings.HasSuffix(candidate, "*") })
	best := survey.Nearest(word, all)
	if at := slices.IndexFunc(all, func(candidate string) bool { return strings.HasSuffix(candidate, "."+word) }); at >= 0 {
		best = all[at]
	}
	if best == "" {
		return ""
	}
	return "Did you mean " + best + "?"
}
