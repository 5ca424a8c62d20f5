package templates

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/odziv/odziv/survey"
)

// renderText runs a source as the text of a message in English.
func renderText(t testing.TB, source string, vars map[string]any) (string, error) {
	t.Helper()
	p, err := NewEngine().Compile(source)
	if err != nil {
		return "", err
	}
	marked, err := p.run(context.Background(), vars, URLs{}, "en", asciiDigits)
	return finishText(marked, false, asciiDigits), err
}

func TestRenderLiquid(t *testing.T) {
	t.Parallel()
	vars := map[string]any{
		"name": "Ana", "empty": "", "n": 3, "f": 10.0, "list": []string{"a", "b", "c"}, "word": "5 items",
		"none": []any{}, "map": map[string]string{"k": "v"}, "at": "2026-11-16T10:00:00Z", "lines": "a\nb",
	}
	tests := []struct{ name, source, want string }{
		{"variable", "Hi {{ name }}!", "Hi Ana!"},
		{"unknown is empty", "Hi {{ nope }}{{ nope.deep.er }}!", "Hi !"},
		{"default of unknown", "{{ nope | default: 'you' }}", "you"},
		{"default of empty", "{{ empty | default: 'you' }}", "you"},
		{"if unknown", "{% if nope %}a{% else %}b{% endif %}", "b"},
		{"echo", "{% echo name | upcase %}", "ANA"},
		{"echo trims", "a  {%- echo name -%}  b", "aAnab"},
		{"note", "a{% # nothing here %}b", "ab"},
		{"comment", "a{% comment %} {{ x }} {% endcomment %}b", "ab"},
		{"raw", "{% raw %}{{ name }}{% if %}{% endraw %}!", "{{ name }}{% if %}!"},
		{"capture", "{% capture x %}<{{ name }}>{% endcapture %}{{ x }}{{ x | upcase }}", "<Ana><ANA>"},
		{"assign", "{% assign x = name | append: '!' %}{{ x }}", "Ana!"},
		{"for", "{% for x in list %}{{ x }}{% unless forloop.last %}, {% endunless %}{% endfor %}", "a, b, c"},
		{"for trims", "{% for x in list -%}  {{ x }}{% endfor %}", "abc"},
		{"for else", "{% for x in none %}x{% else %}none{% endfor %}", "none"},
		{"break", "{% for x in list %}{% if x == 'b' %}{% break %}{% endif %}{{ x }}{% endfor %}", "a"},
		{"cycle", "{% for x in list %}{% cycle '1', '2' %}{% endfor %}", "121"},
		{"range", "{% for i in (1..3) %}{{ i }}{% endfor %}", "123"},
		{"case", "{% case n %}{% when 3 %}three{% else %}other{% endcase %}", "three"},
		{"map", "{{ map.k }}{{ map['k'] }}", "vv"},
		{"a counter in a loop", "{% assign i = 0 %}{% for x in list %}{% assign i = i | plus: 2 %}{% endfor %}{{ i }}", "6"},
		{"floats divide", "{{ f | divided_by: 4.0 }} {{ f | divided_by: 4 }} {{ 10 | divided_by: 4 }}", "2.5 2.5 2"},
		{"floats add", "{{ 0.1 | plus: 0.2 }}", "0.3"},
		{"what is no number is 0", "{{ name | plus: 1 }} {{ nope | times: 2 }} {{ word | round }}", "1 0 0"},
		{"escape does nothing in text", "{{ 'a & b' | escape }} {{ 'a & b' | escape_once }}", "a & b a & b"},
		{"breaks", "{{ lines | newline_to_br }}", "a\nb"},
		{"plural", "{{ 1 | plural: 'day', 'days' }} {{ n | plural: 'day', 'days' }}", "day days"},
		{"date", "{{ at | date }} · {{ at | date: 'short' }} · {{ name | date: 'short' }} · {{ nope | date }}", "16 November 2026 · 16/11/2026 · Ana · "},
		{"no Go words for maps", "{{ map }}", "map[k:v]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := renderText(t, tt.source, vars)
			if err != nil || got != tt.want {
				t.Errorf("render = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestPlural(t *testing.T) {
	t.Parallel()
	tests := []struct {
		locale string
		forms  []string
		want   map[any]string
	}{
		{"hr", []string{"dan", "dana", "dana_"}, map[any]string{1: "dan", 2: "dana", 5: "dana_", 11: "dana_", 21: "dan", "1.5": "dana_"}},
		{"sr-Cyrl", []string{"дан", "дана", "дана_"}, map[any]string{1: "дан", 3: "дана", 12: "дана_"}},
		{"sl", []string{"dan", "dneva", "dnevi", "dni"}, map[any]string{1: "dan", 2: "dneva", 3: "dnevi", 5: "dni", 101: "dan"}},
		{"pl", []string{"dzień", "dni", "dni_"}, map[any]string{1: "dzień", 2: "dni", 5: "dni_", 22: "dni"}},
		{"fa", []string{"one", "other"}, map[any]string{0: "one", 1: "one", 2: "other"}},
		{"en", []string{"day"}, map[any]string{1: "day", 2: "day"}},
		{"en", nil, map[any]string{1: ""}},
	}
	for _, tt := range tests {
		t.Run(tt.locale, func(t *testing.T) {
			t.Parallel()
			for n, want := range tt.want {
				if got := pluralForm(tt.locale, n, tt.forms); got != want {
					t.Errorf("pluralForm(%v) = %q, want %q", n, got, want)
				}
			}
		})
	}
}

// TestNoFiles: the engine's include reads the working directory by default.
func TestNoFiles(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("engine.go"); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{
		"{% include 'engine.go' %}", `{% render "engine.go" %}`, "{% include name %}", "{%- include 'engine.go' -%}",
		"{% comment %}{% endcomment %}{% include 'engine.go' %}",
	} {
		got, err := renderText(t, source, map[string]any{"name": "engine.go"})
		if err == nil || strings.Contains(got, "package") {
			t.Errorf("%s: %q, %v; want an error", source, got, err)
		}
	}
	// The tags are gone from the engine itself too, and the store behind them refuses.
	m := newMachine()
	if _, ok := m.cfg.FindTagDefinition("include"); ok {
		t.Error("include is registered")
	}
	if _, err := m.cfg.TemplateStore.ReadTemplate("engine.go"); err == nil {
		t.Error("the template store read a file")
	}
}

type armed struct{ Name string }

func (armed) Boom() string { panic("called") }

// TestNoMethods: methods of bound structs are callable in the engine, and their panics escape it.
func TestNoMethods(t *testing.T) {
	t.Parallel()
	got, err := renderText(t, "[{{ x.Boom }}{{ x.Name }}{{ y.z.Boom }}{{ list[0].Boom }}{{ at.Unix }}]", map[string]any{
		"x": armed{"n"}, "y": map[string]any{"z": &armed{"n"}}, "list": []any{armed{}}, "at": time.Unix(1, 0),
	})
	if err != nil || got != "[]" {
		t.Errorf("render = %q, %v; want %q", got, err, "[]")
	}
}

// TestPanicsAreErrors: values that make the engine panic.
func TestPanicsAreErrors(t *testing.T) {
	t.Parallel()
	vars := map[string]any{"s": "Secret Person", "list": []any{1, nil, "b"}, "maps": []any{map[string]any{"a": 1}, map[string]any{}}}
	for _, source := range []string{
		"{{ s | slice: 2, -3 }}", "{{ list | slice: 2, -9 }}", "{{ list | sort_natural }}", "{{ maps | sort: 'a' }}",
		"{{ maps | sort_natural: 'a' }}", "{{ s | first }}", "{{ s | map: 'x' }}", "{{ s | where: 'x' }}", "{{ s | truncate: s }}",
		"{{ s | slice: s }}", "{{ 1 | divided_by: 0 }}", "{{ 1 | modulo: s }}", "{{ s | url_decode }}", "{{ '%zz' | url_decode }}",
		"{% for i in (3..1) %}x{% endfor %}", "{% for x in list limit: s %}x{% endfor %}", "{% for x in list offset: s %}x{% endfor %}",
		"{{ (3..1) | reverse }}", "{% tablerow x in list cols: 0 %}{{ x }}{% endtablerow %}", "{{ list[s] }}{{ s[9] }}{{ list[-9] }}",
		"{% assign forloop = 1 %}{% for x in list %}{% assign forloop = s %}{% cycle 'a', 'b' %}{% endfor %}", "{{ s | append }}", "{{ s | replace: }}",
		"{{ 99999999999999999999 }}", "{{ s | round: 99999999 }}", "{{ s | date: s }}", "{% if list > s %}{% endif %}", "{{ list | join: list }}",
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			_, err := renderText(t, source, vars) // returning is the test
			if err != nil && strings.Contains(err.Error(), "Secret") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

// TestBombs: what the engine would work on for minutes or until memory ends is refused, or stopped at once.
func TestBombs(t *testing.T) {
	t.Parallel()
	letters := strings.Repeat("x", 60<<10)
	many := make([]string, 3000)
	double := func(line string) string {
		return "{% assign s = 'xxxxxxxxxxxxxxxx' %}" + strings.Repeat(line, 60) + "{{ s }}"
	}
	tests := []struct{ name, source, code string }{ // code "" = stopped while it runs
		{"empty range", "{% for i in (1..100000000) %}{% endfor %}", "range"},
		{"range of a variable", "{% assign n = 100000000 %}{% for i in (1..n) %}{% endfor %}", "range"},
		{"range of a word", "{% for i in (1..'99999999') %}{% endfor %}", "range"},
		{"range in an output", "{{ (1..100000000) | join }}", "range"},
		{"range in a condition", "{% if (1..100000000) contains 5 %}{% endif %}", "range"},
		{"range of nested brackets", "{% for i in ((1)..(99999999)) %}{% endfor %}", "range"},
		{"range below zero", "{% for i in (-100000000..1) %}{% endfor %}", "range"},
		{"nested ranges", "{% for a in (1..900) %}{% for b in (1..900) %}{% for c in (1..900) %}{% endfor %}{% endfor %}{% endfor %}", ""},
		{"four loops", "{% for a in l %}{% for b in l %}{% for c in l %}{% for d in l %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}", "nesting"},
		{"many loops over data", "{% for a in many %}{% for b in many %}{% endfor %}{% endfor %}", ""},
		{"tablerow", "{% tablerow a in many %}{% for b in many %}{% endfor %}{% endtablerow %}", ""},
		{"letters as a list", "{% assign l = letters | split: '' %}{{ l | size }}", ""},
		{"doubling", double("{% assign s = s | append: s %}"), ""},
		{"doubling by capture", double("{% capture s %}{{ s }}{{ s }}{% endcapture %}"), ""},
		{"doubling by replace", double("{% assign s = s | replace: 'x', s %}"), ""},
		{"doubling lists", "{% assign l = 'a,b' | split: ',' %}" + strings.Repeat("{% assign l = l | concat: l %}", 60) + "{{ l | size }}", ""},
		{"one replace", "{{ letters | replace: 'x', letters }}", ""},
		{"one join", "{{ many | join: letters }}", ""},
		{"doubling in a loop", "{% assign s = 'x' %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}", "growing"},
		{"doubling by capture in a loop", "{% for i in (1..60) %}{% capture s %}{{ s }}{{ s }}{% endcapture %}{% endfor %}", "growing"},
		{"doubling over two names", "{% assign s = 'x' %}{% for i in (1..60) %}{% assign r = s | append: s %}{% assign s = r %}{% endfor %}{{ s }}", ""},
		{"output", "{% for a in many %}{{ letters }}{% endfor %}", ""},
		{"output of a few bytes too many", "{% for i in (1..5) %}{{ letters }}{% endfor %}", ""},
		{"a filter that makes three of one", "{{ wide | url_encode }}", ""},
		{"one turn too many", "{% for i in (1..1001) %}{% endfor %}", "range"},
		{"a wide date", "{{ '2026-01-01' | date: '%99999999d' }}{{ letters | append: letters }}", ""},
		{"a long source", strings.Repeat("x", maxSource+1), "too_long"},
		{"deep blocks", strings.Repeat("{% if x %}", 60) + strings.Repeat("{% endif %}", 60), "nesting"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := renderText(t, tt.source, map[string]any{"letters": letters, "many": many, "wide": strings.Repeat("š", 30<<10)})
			var refused *SourceError
			switch {
			case tt.code != "" && (!errors.As(err, &refused) || refused.Code != tt.code):
				t.Errorf("error %v, want a refusal with code %s", err, tt.code)
			case tt.code == "" && !errors.Is(err, ErrLimit):
				t.Errorf("error %v, want ErrLimit", err)
			}
			if took := time.Since(start); took > 5*renderTime {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestRenderStopsWithContext(t *testing.T) {
	t.Parallel()
	p, err := NewEngine().Compile("{% for i in (1..10) %}{{ i }}{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.run(ctx, nil, URLs{}, "en", asciiDigits); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	// The machine goes back clean.
	if got, err := p.run(t.Context(), nil, URLs{}, "en", asciiDigits); err != nil || !strings.Contains(got, "10") {
		t.Errorf("second run: %q, %v", got, err)
	}
}

func TestSourceErrorPlaces(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, source, code string
		line, column       int
	}{
		{"unclosed output", "Hello\nAna {{ name", "unclosed_variable", 2, 5},
		{"unclosed tag", "č😀{% if x", "unclosed_tag", 1, 4},
		{"unclosed before another", "{{ a {{ b }}", "unclosed_variable", 1, 1},
		{"line break in quotes", "x {{ 'a\nb' }}", "line_break", 1, 3},
		{"unclosed block", "a\n\n {% if name %}x", "unclosed_block", 3, 2},
		{"end without start", "x{% endfor %}", "misplaced", 1, 2},
		{"crossed", "{% if a %}{% for b in c %}{% endif %}{% endfor %}", "misplaced", 1, 27},
		{"unknown tag", "{% iff a %}", "unknown_tag", 1, 1},
		{"unknown filter", "{{ name | upcas }}", "unknown_filter", 1, 11},
		{"bad expression", "ab {{ name | }}", "syntax", 1, 4},
		{"empty", "{{ }}", "empty_tag", 1, 1},
		{"braces in quotes", `{{ "}}" }}`, "syntax", 1, 1},
		{"our tick is nobody's", "{% " + tickTag + " %}", "unknown_tag", 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewEngine().Compile(tt.source)
			var e *SourceError
			if !errors.As(err, &e) || e.Code != tt.code || e.Line != tt.line || e.Column != tt.column {
				t.Errorf("error %v, want %s at %d:%d", err, tt.code, tt.line, tt.column)
			}
		})
	}
}

func TestVocabulary(t *testing.T) {
	t.Parallel()
	e := NewEngine()
	for _, name := range []string{"upcase", "default", "digits", "plural", "date"} {
		if !slices.Contains(e.Filters(), name) {
			t.Errorf("no filter %s", name)
		}
	}
	if slices.Contains(e.Filters(), "safe") || slices.Contains(e.Tags(), "include") || !slices.Contains(e.Tags(), "for") {
		t.Errorf("filters %v, tags %v", e.Filters(), e.Tags())
	}
	// Every filter that is offered exists and survives odd input.
	for _, name := range e.Filters() {
		if _, err := e.Compile("{{ brand.name | " + name + " }}"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range VariableNames() {
		source := "{{ " + strings.Replace(name, "*", "store", 1) + " }}"
		for _, r := range e.Lint(survey.Text{Channel: survey.Viber, Text: source}, LintOptions{}) {
			t.Errorf("%s: %+v", source, r)
		}
	}
}
