package console

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// A Locale is a language that messages are written in.
type Locale struct {
	Tag  string // BCP 47 with script where it matters
	Name string // in its own language
	RTL  bool
}

func (c *Console) locale(tag string) Locale {
	p := c.deps.Renderer.Pack(tag)
	if p.Name == "" {
		return Locale{Tag: tag, Name: tag, RTL: p.RTL}
	}
	return Locale{Tag: tag, Name: p.Name, RTL: p.RTL}
}

func dirOf(l Locale) string {
	if l.RTL {
		return "rtl"
	}
	return "ltr"
}

func (c *Console) lintText(t survey.Text, s survey.Survey) []templates.Remark {
	return c.deps.Renderer.Engine().Lint(t, templates.LintOptions{Survey: s, Pack: c.deps.Renderer.Pack(t.Locale)})
}

func (c *Console) lintRelease(s survey.Survey, texts []survey.Text) []templates.Remark {
	return c.deps.Renderer.Engine().LintRelease(s, texts, c.deps.Renderer.Packs())
}

// sampleVars are the values of a preview.
func (c *Console) sampleVars(s survey.Survey, locale string, sample Sample) (map[string]any, templates.URLs) {
	send := templates.SampleSend(s, locale)
	if sample == SampleBare {
		send.Recipient.Name, send.Transaction = "", survey.Transaction{}
	}
	public := c.deps.PublicURL
	if public == "" {
		public = "https://ask.example"
	}
	// A link of a preview opens nothing: it is signed by nobody.
	links := templates.NewLinks(public, make([]byte, 32)).URLs(send.ID)
	resp := &survey.Response{Score: s.Max, Segment: s.Segment(s.Max)}
	return templates.Vars(send, c.deps.Renderer.Brand(s.Brand), s, links, resp), links
}

// render makes a text as it would be sent over a channel, with sample data.
func (c *Console) render(ctx context.Context, w work, t survey.Text, over survey.Channel, sample Sample) (templates.Rendered, error) {
	vars, links := c.sampleVars(w.survey, t.Locale, sample)
	return c.deps.Renderer.RenderText(ctx, t, templates.Request{
		Survey: w.survey, Brand: w.survey.Brand, Channel: over, Vars: vars, Links: links, Texts: w.merged(),
	})
}

// A variable is something that a text may use.
type variable struct{ Name, Sample, Note string }

// variables lists what a text may use, what is most used first.
func (c *Console) variables(s survey.Survey, locale string) []variable {
	vars, _ := c.sampleVars(s, locale, SampleFull)
	notes := map[string]string{
		"contact.first_name": "text, may be empty", "contact.name": "text, may be empty", "brand.name": "text",
		"links.page": "address of the survey", "links.unsubscribe": "address that opts out",
		"survey.min": "number, least score", "survey.max": "number, greatest score",
		"score": "number, once there is an answer", "segment": "promoter, passive or detractor, once there is an answer",
		"transaction.date": "date, in the person’s zone, may be empty", "transaction.occurred_at": "time by RFC 3339, may be empty",
	}
	order := []string{"contact.first_name", "brand.name", "links.page", "links.unsubscribe", "transaction.id", "transaction.date"}
	names := templates.VariableNames()
	if attributes, ok := lookUp(vars, "transaction.attributes").(map[string]any); ok {
		for name := range attributes {
			names = append(names, "transaction.attributes."+name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := slices.Index(order, a), slices.Index(order, b)
		switch {
		case x >= 0 && y >= 0:
			return x - y
		case x >= 0:
			return -1
		case y >= 0:
			return 1
		default:
			return strings.Compare(a, b)
		}
	})
	var out []variable
	for _, name := range names {
		if strings.Contains(name, "*") {
			continue
		}
		note, ok := notes[name]
		if !ok {
			note = "text, may be empty"
		}
		sample := ""
		if value := lookUp(vars, name); value != nil {
			sample = fmt.Sprint(value)
		}
		out = append(out, variable{name, sample, note})
	}
	return out
}

func lookUp(vars map[string]any, name string) any {
	var at any = vars
	for part := range strings.SplitSeq(name, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[part]
	}
	return at
}

// keysOf are the keys under a message, as the queue adds them.
func keysOf(s survey.Survey, t survey.Text) []survey.Button {
	if t.Kind != survey.Invitation && t.Kind != survey.Reminder && t.Kind != survey.Clarify {
		return nil
	}
	var out []survey.Button
	for n := s.Min; n <= s.Max; n++ {
		out = append(out, survey.Button{Text: survey.Digits(strconv.Itoa(n), t.Locale)})
	}
	return out
}

// A remarkView is a remark with its place in the terms of the editor, and what mends it at a press.
type remarkView struct {
	templates.Remark
	Sentence    string
	Field       string // that the place is in; "" is the whole message
	First, Last int    // UTF-16 units from the beginning of the field
	Where       string
	Label       string // of the button that mends it; "" is no button
	Insert      string // what the button puts between FixFirst and FixLast
	FixFirst    int
	FixLast     int
}

var (
	didYouMean = regexp.MustCompile(`^Did you mean (\S+)\?$`)
	liquidIn   = regexp.MustCompile(`\{[{%] [a-z._]+ [%}]\}`)
)

func remarksOf(t survey.Text, remarks []templates.Remark) []remarkView {
	out := make([]remarkView, 0, len(remarks))
	for _, r := range remarks {
		src := fieldOf(t, r.Field)
		v := remarkView{Remark: r, Field: "", Sentence: sentence(r.Message)}
		// What is said of the whole message stands on its first character.
		if whole := r.Line == 1 && r.Column == 1 && r.EndColumn == 2; !whole && src != "" {
			v.Field, v.Where = r.Field, fmt.Sprintf("%d:%d", r.Line, r.Column)
			if r.Field != templates.FieldText {
				v.Where = r.Field + " " + v.Where
			}
			v.First = offset(src, r.Line, r.Column)
			v.Last = offset(src, r.Line, r.EndColumn)
		}
		mend(&v, src)
		if v.Label == "" && r.Fix != "" {
			v.Sentence += " " + r.Fix
		}
		out = append(out, v)
	}
	return out
}

// mend finds what a press could do.
func mend(v *remarkView, src string) {
	switch v.Code {
	case "unknown_variable", "unknown_filter":
		if m := didYouMean.FindStringSubmatch(v.Fix); m != nil && v.Field != "" {
			v.Insert, v.Label, v.FixFirst, v.FixLast = m[1], "Replace with "+m[1], v.First, v.Last
		}
	case "unclosed_block", "missing_page_link", "missing_unsubscribe_link":
		if m := liquidIn.FindString(v.Fix); m != "" {
			end := len(utf16.Encode([]rune(src)))
			v.Insert, v.Label, v.FixFirst, v.FixLast = m, "Add "+m+" at the end", end, end
			if strings.HasPrefix(m, "{{") {
				v.Insert = "\n" + m
			}
		}
	}
}

func fieldOf(t survey.Text, field string) string {
	switch field {
	case templates.FieldSubject:
		return t.Subject
	case templates.FieldHTML:
		return t.HTML
	default:
		return t.Text
	}
}

// offset is the place of a line and column, all in UTF-16 units.
func offset(src string, line, column int) int {
	at := 0
	for range line - 1 {
		head, tail, ok := strings.Cut(src, "\n")
		if !ok {
			break
		}
		at += len(utf16.Encode([]rune(head))) + 1
		src = tail
	}
	return at + max(column-1, 0)
}

// sentence makes one of an error's words.
func sentence(s string) string {
	s = capital(strings.TrimSpace(s))
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

// whyNot says why a text cannot be shown, in the engine's words about the source.
func whyNot(err error) string {
	if errors.Is(err, templates.ErrNoText) {
		return "With this sample nothing of the message is left: a customer would get an empty one."
	}
	return "This cannot be shown yet. The remarks under the editor say why."
}
