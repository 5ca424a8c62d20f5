package templates_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

var update = flag.Bool("update", false, "write the golden files anew")

// published is a Source in memory that counts what it is asked.
type published struct {
	releases map[string]survey.Release
	asked    atomic.Int64
}

func (p *published) Release(_ context.Context, id string, version int) (survey.Release, error) {
	p.asked.Add(1)
	r, ok := p.releases[id]
	if !ok || (r.Version != version && r.Version != 0) {
		return survey.Release{}, survey.ErrNotFound
	}
	return r, nil
}

func newRenderer(t testing.TB) *templates.Renderer {
	t.Helper()
	packs, err := templates.LoadPacks()
	if err != nil {
		t.Fatal(err)
	}
	source := &published{releases: make(map[string]survey.Release)}
	for _, r := range templates.BuiltinReleases(packs, survey.Builtin()) {
		source.releases[r.Survey] = r
	}
	return templates.NewRenderer(source, packs, map[string]templates.Brand{
		"": {Name: "Lipa", Address: "Lipa d.o.o., Ilica 12, 10000 Zagreb", Timezone: "Europe/Zagreb"},
	})
}

func newRequest(r *templates.Renderer, sv survey.Survey, kind survey.Kind, channel survey.Channel, locale string) templates.Request {
	send := templates.SampleSend(sv, locale)
	links := newLinks().URLs(send.ID)
	resp := &survey.Response{Score: sv.Max, Segment: sv.Segment(sv.Max)}
	return templates.Request{
		Survey: sv, Version: 1, Kind: kind, Channel: channel, Locale: locale, Links: links,
		Vars: templates.Vars(send, r.Brand(sv.Brand), sv, links, resp),
	}
}

// TestRenderBuiltin makes every message that comes with the program.
func TestRenderBuiltin(t *testing.T) {
	t.Parallel()
	r := newRenderer(t)
	for _, sv := range survey.Builtin() {
		for _, locale := range templates.Locales() {
			for _, slot := range templates.Slots() {
				channels := []survey.Channel{slot.Channel}
				if slot.Channel == survey.Chat {
					channels = []survey.Channel{survey.SMS, survey.Viber, survey.Web}
				}
				for _, channel := range channels {
					t.Run(strings.Join([]string{sv.ID, locale, string(slot.Kind), string(channel)}, "/"), func(t *testing.T) {
						t.Parallel()
						out, err := r.Render(t.Context(), newRequest(r, sv, slot.Kind, channel, locale))
						if err != nil {
							t.Fatal(err)
						}
						all := out.Subject + out.Text + out.HTML
						for _, left := range []string{"{{", "{%", "%}", "map["} {
							if strings.Contains(all, left) {
								t.Errorf("%s is left in %s", left, all)
							}
						}
						wantFallback := ""
						if slot.Channel != channel {
							wantFallback = "channel:chat"
						}
						if out.Locale != locale || out.Fallback != wantFallback || out.RTL != (locale == "fa") {
							t.Errorf("locale %s, fallback %q, RTL %t", out.Locale, out.Fallback, out.RTL)
						}
						switch channel {
						case survey.Email:
							if out.Subject == "" || len(out.HTML) < 1000 || len(out.HTML) > 20_000 || len(out.Links) != 2 {
								t.Errorf("subject %q, %d bytes of HTML, links %v", out.Subject, len(out.HTML), out.Links)
							}
						case survey.SMS:
							if out.Segments < 1 || out.Segments > 3 {
								t.Errorf("%d segments: %s", out.Segments, out.Text)
							}
						case survey.Viber, survey.Web, survey.Chat:
							if out.HTML != "" || out.Subject != "" || out.Segments != 0 {
								t.Errorf("more than text: %+v", out)
							}
						}
					})
				}
			}
		}
	}
}

// TestGoldenEmail compares whole emails; -update writes them.
func TestGoldenEmail(t *testing.T) {
	t.Parallel()
	r := newRenderer(t)
	for i, locale := range []string{"hr", "fa", "en", "sr-Cyrl", "en"} {
		sv := survey.Builtin()[0]
		if i == 4 {
			sv = survey.Builtin()[1]
		}
		name := sv.ID + "." + locale + ".html"
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := r.Render(t.Context(), newRequest(r, sv, survey.Invitation, survey.Email, locale))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.HTML)
			golden(t, strings.TrimSuffix(name, "html")+"txt", out.Subject+"\n\n"+out.Text+"\n")
			// Every table has a direction, nothing is loaded from anywhere, and every score has its link.
			if tables, dirs := strings.Count(out.HTML, "<table role"), strings.Count(out.HTML, ` dir="`); dirs < tables {
				t.Errorf("%d tables, %d directions", tables, dirs)
			}
			for _, never := range []string{"<img", "src=", "url(", "@import", "<script", "ZgotmplZ"} {
				if strings.Contains(out.HTML, never) {
					t.Errorf("the email has %s", never)
				}
			}
			if got, want := strings.Count(out.HTML, "?score="), sv.Max-sv.Min+1; got != want {
				t.Errorf("%d scores, want %d", got, want)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path) //nolint:gosec // a name of ours
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

func TestRenderText(t *testing.T) {
	t.Parallel()
	r := newRenderer(t)
	const url = "https://ask.example.hr/s/AAAA"
	tests := []struct {
		name    string
		text    survey.Text
		contact string
		want    string
	}{
		{"isolates in Persian", survey.Text{Channel: survey.Viber, Locale: "fa", Text: "سلام {{ contact.name }}!"}, "Ana", "سلام \u2068Ana\u2069!"},
		{"and none for nothing", survey.Text{Channel: survey.Viber, Locale: "fa", Text: "سلام {{ contact.name }}!"}, "", "سلام !"},
		{"none in links", survey.Text{Channel: survey.Viber, Locale: "fa", Text: "x {{ links.page }} y https://a.example/?n={{ contact.name }}&o={{ transaction.id }} {{ contact.name }}"}, "Ana", "x " + url + " y https://a.example/?n=Ana&o=10023 \u2068Ana\u2069"},
		{"numbers in Persian", survey.Text{Channel: survey.Viber, Locale: "fa", Text: "{{ transaction.id }} {{ score }} {{ contact.name }} {{ 'a1' | digits }}"}, "A-12", "\u2068۱۰۰۲۳\u2069 \u2068۱۰\u2069 \u2068A-12\u2069 \u2068a۱\u2069"},
		{"the date in Persian", survey.Text{Channel: survey.Viber, Locale: "fa", Text: "{{ transaction.date }}"}, "", "\u2068۲۵ آبان ۱۴۰۵\u2069"},
		{"none left to right", survey.Text{Channel: survey.Viber, Locale: "hr", Text: "Bok {{ contact.name }}, {{ transaction.date }}"}, "Ana", "Bok Ana, 16. studenoga 2026."},
		{"controls in a name", survey.Text{Channel: survey.Viber, Locale: "fa", Text: "{{ contact.name }}."}, "A\u202e\u2069n\u0000a\u2066", "\u2068Ana\u2069."},
		{"an override in a name", survey.Text{Channel: survey.Viber, Locale: "hr", Text: "{{ contact.name }}."}, "A\u202en\u2028a\r", "An a."},
		{"a captured name", survey.Text{Channel: survey.Viber, Locale: "fa", Text: "{% capture x %}«{{ contact.name }}»{% endcapture %}{{ x }}"}, "Ana", "«\u2068Ana\u2069»"},
		{"a cut captured name", survey.Text{Channel: survey.Viber, Locale: "fa", Text: "{% capture x %}{{ contact.name }}{% endcapture %}{{ x | truncate: 2, '' }}"}, "Ana", "\u2068A\u2069"},
		{"an SMS without isolates stays GSM-7", survey.Text{Channel: survey.SMS, Locale: "en", Text: "Hi {{ contact.name }}"}, "Ana", "Hi Ana"},
		{"no escapes in text", survey.Text{Channel: survey.SMS, Locale: "en", Text: "<{{ contact.name }}> {{ contact.name | escape }}"}, "A & B", "<A & B> A & B"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.text.Kind = survey.Invitation
			req := newRequest(r, survey.Builtin()[0], survey.Invitation, tt.text.Channel, tt.text.Locale)
			req.Vars["contact"] = map[string]any{"name": tt.contact}
			req.Links = templates.URLs{Page: url}
			got, err := r.RenderText(t.Context(), tt.text, req)
			if err != nil || got.Text != tt.want {
				t.Errorf("got %q, %v; want %q", got.Text, err, tt.want)
			}
		})
	}
}

func TestRenderHTML(t *testing.T) {
	t.Parallel()
	r := newRenderer(t)
	const name = `<b onclick="x">&'Ana`
	tests := []struct{ name, html, want string }{
		{"text", "<p>{{ contact.name }}</p>", "<p><bdi>&lt;b onclick=&#34;x&#34;&gt;&amp;&#39;Ana</bdi></p>"},
		{"escape does not double", "<p>{{ contact.name | escape }}</p>", "<p><bdi>&lt;b onclick=&#34;x&#34;&gt;&amp;&#39;Ana</bdi></p>"},
		{"attribute", `<a title="{{ contact.name }}">`, `<a title="&lt;b onclick=&#34;x&#34;&gt;&amp;&#39;Ana">`},
		{"attribute without quotes", `<a title={{ contact.name }}>`, `<a title=&lt;b&#32;onclick&#61;&#34;x&#34;&gt;&amp;&#39;Ana>`},
		{"comment", `<!-- {{ contact.name }} -->{{ brand.name }}`, `<!-- &lt;b onclick=&#34;x&#34;&gt;&amp;&#39;Ana --><bdi>Lipa</bdi>`},
		{"style", `<style>a{content:"{{ brand.name }}"}</style>{{ brand.name }}`, `<style>a{content:"Lipa"}</style><bdi>Lipa</bdi>`},
		{"title", `<title>{{ brand.name }}</title>`, `<title>Lipa</title>`},
		{"link", `<a href="{{ links.page }}?a=1&amp;b={{ transaction.id }}">{{ links.page }}</a>`, `<a href="https://a.example/s/A?a=1&amp;b=10023">https://a.example/s/A</a>`},
		{"markup of the author", `{% if contact.name %}<b>ok</b>{% endif %} & co`, `<b>ok</b> & co`},
		{"captured markup", `{% capture x %}<i>{{ contact.name }}</i>{% endcapture %}{{ x }}`, `<i><bdi>&lt;b onclick=&#34;x&#34;&gt;&amp;&#39;Ana</bdi></i>`},
		{"breaks", `{{ transaction.attributes.note | newline_to_br }}`, `<bdi>a&lt;<br>b</bdi>`},
		{"less than", `1 < 2 {{ brand.name }}`, `1 < 2 <bdi>Lipa</bdi>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := newRequest(r, survey.Builtin()[0], survey.Invitation, survey.Email, "en")
			req.Vars["contact"] = map[string]any{"name": name}
			req.Vars["transaction"] = map[string]any{"id": "10023", "attributes": map[string]any{"note": "a<\nb"}}
			req.Links = templates.URLs{Page: "https://a.example/s/A"}
			got, err := r.RenderText(t.Context(), survey.Text{Kind: survey.Invitation, Channel: survey.Email, Locale: "en", Subject: "x", Text: "x", HTML: tt.html}, req)
			if err != nil || got.HTML != tt.want {
				t.Errorf("got %q, %v; want %q", got.HTML, err, tt.want)
			}
		})
	}
}

func TestStandardEmailEscapes(t *testing.T) {
	t.Parallel()
	r := newRenderer(t)
	req := newRequest(r, survey.Builtin()[0], survey.Invitation, survey.Email, "en")
	req.Vars["contact"] = map[string]any{"name": "<script>alert(1)</script>", "first_name": "<b>\nBcc: x@example.hr"}
	req.Texts = []survey.Text{{Kind: survey.Question, Channel: survey.Web, Locale: "en", Text: "A draft <question>?"}}
	got, err := r.RenderText(t.Context(), survey.Text{
		Kind: survey.Invitation, Channel: survey.Email, Locale: "en", Subject: "Hi {{ contact.first_name }}",
		Text: "Hi <{{ contact.name }}>, see https://a.example/x?a=1&b=2.\n\nGo: {{ links.page }}\n\nBye: {{ links.unsubscribe }}",
	}, req)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Hi <b> Bcc: x@example.hr"; got.Subject != want {
		t.Errorf("subject %q, want %q", got.Subject, want)
	}
	for _, want := range []string{
		"A draft &lt;question&gt;?", "Hi &lt;<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>&gt;", `<a href="https://a.example/x?a=1&amp;b=2" dir="ltr"`, ">Bye</a>",
		`<title>Hi &lt;b&gt; Bcc: x@example.hr</title>`,
	} {
		if !strings.Contains(got.HTML, want) {
			t.Errorf("%s is not in %s", want, got.HTML)
		}
	}
	if strings.Contains(got.HTML, "<script") {
		t.Error("a name became markup")
	}
}

func TestFallbacks(t *testing.T) {
	t.Parallel()
	sv := survey.Builtin()[0]
	text := func(kind survey.Kind, channel survey.Channel, locale string) survey.Text {
		return survey.Text{Kind: kind, Channel: channel, Locale: locale, Text: locale + "/" + string(channel)}
	}
	packs, err := templates.LoadPacks()
	if err != nil {
		t.Fatal(err)
	}
	r := templates.NewRenderer(&published{releases: map[string]survey.Release{sv.ID: {Survey: sv.ID, Version: 1, Texts: []survey.Text{
		text(survey.Clarify, survey.Chat, "en"), text(survey.Clarify, survey.Chat, "hr"), text(survey.Clarify, survey.SMS, "hr"),
		text(survey.OptOut, survey.SMS, "en"), text(survey.OptOut, survey.Chat, "sr-Latn"),
		{Kind: survey.OptOut, Channel: survey.SMS, Locale: "hr", Text: " "},
	}}}}, packs, nil)
	tests := []struct {
		name     string
		kind     survey.Kind
		channel  survey.Channel
		locale   string
		text     string
		fallback string
	}{
		{"exact", survey.Clarify, survey.SMS, "hr", "hr/sms", ""},
		{"by channel", survey.Clarify, survey.Viber, "hr", "hr/chat", "channel:chat"},
		{"the page too", survey.Clarify, survey.Web, "hr", "hr/chat", "channel:chat"},
		{"by locale and channel", survey.Clarify, survey.Viber, "fa", "en/chat", "locale:en channel:chat"},
		{"the locale comes before the channel", survey.OptOut, survey.SMS, "sr-Latn", "sr-Latn/chat", "channel:chat"},
		{"none across scripts", survey.OptOut, survey.SMS, "sr-Cyrl", "en/sms", "locale:en"},
		{"an empty text is none", survey.OptOut, survey.SMS, "hr", "en/sms", "locale:en"},
		{"email has no chat", survey.Clarify, survey.Email, "en", "", ""},
		{"nothing", survey.Question, survey.Web, "en", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := r.Render(t.Context(), templates.Request{Survey: sv, Version: 1, Kind: tt.kind, Channel: tt.channel, Locale: tt.locale})
			if tt.text == "" {
				if !errors.Is(err, templates.ErrNoText) || !errors.Is(err, survey.ErrNotFound) {
					t.Errorf("error %v, want ErrNoText", err)
				}
				return
			}
			if err != nil || got.Text != tt.text || got.Fallback != tt.fallback {
				t.Errorf("got %q by %q, %v; want %q by %q", got.Text, got.Fallback, err, tt.text, tt.fallback)
			}
		})
	}
}

// TestReleasesAreKept: a release is asked for once while it is in use, and few are kept.
func TestReleasesAreKept(t *testing.T) {
	t.Parallel()
	sv := survey.Builtin()[0]
	source := &published{releases: map[string]survey.Release{sv.ID: {Survey: sv.ID, Texts: []survey.Text{
		{Kind: survey.Clarify, Channel: survey.Chat, Locale: "en", Text: "{{ brand.name }}?"},
	}}}}
	r := templates.NewRenderer(source, nil, nil)
	render := func(version int) {
		_, err := r.Render(t.Context(), templates.Request{
			Survey: sv, Version: version, Kind: survey.Clarify, Channel: survey.SMS, Locale: "en",
			Vars: map[string]any{"brand": map[string]any{"name": "Lipa"}},
		})
		if err != nil {
			t.Error(err)
		}
	}
	render(1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				render(1)
			}
		})
	}
	wg.Wait()
	if n := source.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	for version := range 200 {
		render(version + 2)
		render(1) // stays in use, so it stays
	}
	if n := source.asked.Load(); n != 201 {
		t.Errorf("asked %d times, want 201", n)
	}
	render(2) // long forgotten
	if n := source.asked.Load(); n != 202 {
		t.Errorf("asked %d times, want 202", n)
	}
}

// TestBrokenTextStopsItselfOnly: a release with one broken text still sends its others.
func TestBrokenTextStopsItselfOnly(t *testing.T) {
	t.Parallel()
	sv := survey.Builtin()[0]
	r := templates.NewRenderer(&published{releases: map[string]survey.Release{sv.ID: {Texts: []survey.Text{
		{Kind: survey.Clarify, Channel: survey.Chat, Locale: "en", Text: "fine"},
		{Kind: survey.OptOut, Channel: survey.Chat, Locale: "en", Text: "{{ broken"},
	}}}}, nil, nil)
	req := templates.Request{Survey: sv, Version: 1, Kind: survey.Clarify, Channel: survey.SMS, Locale: "en"}
	if got, err := r.Render(t.Context(), req); err != nil || got.Text != "fine" {
		t.Errorf("got %q, %v", got.Text, err)
	}
	req.Kind = survey.OptOut
	var fault *templates.SourceError
	if _, err := r.Render(t.Context(), req); !errors.As(err, &fault) || fault.Code != "unclosed_variable" {
		t.Errorf("error %v, want unclosed_variable", err)
	}
}

func FuzzLintRender(f *testing.F) {
	for _, s := range []string{
		"Hi {{ contact.first_name | default: 'you' }}", "{% for i in (1..9) %}{{ i }}{% endfor %}", "{{", "{% raw %}{{ {% endraw %}",
		"{% comment %}{{ {% endcomment %} }}", "{% capture x %}{{ x }}{% endcapture %}", "{{ 'a\nb' }}", "{%- if a -%}{%- endif -%}",
		"{% assign x = 'a' | split: '' %}{{ x | join: x }}", "{{ \"\\\" }}", "{% for i in (1..x) %}", "{{ a | slice: -1, -1 }}", "{{ 9999999999999999999 }}",
		"{% echo 'x' %}{% # note %}{% cycle 'a' %}", "\u2068{{ brand.name }}\u2069", "<a href={{ links.page }}>", "{% case x %}{% when 1, 2 %}{% endcase %}",
	} {
		f.Add(s)
	}
	r := newRenderer(f)
	sv := survey.Builtin()[0]
	f.Fuzz(func(t *testing.T, source string) {
		for _, text := range []survey.Text{
			{Kind: survey.Invitation, Channel: survey.SMS, Locale: "fa", Text: source},
			{Kind: survey.Invitation, Channel: survey.Email, Locale: "hr", Subject: source, Text: source, HTML: source},
		} {
			remarks := r.Engine().Lint(text, templates.LintOptions{Survey: sv})
			for _, m := range remarks {
				if m.Line < 1 || m.Column < 1 || m.EndColumn <= m.Column || m.Message == "" {
					t.Errorf("remark %+v", m)
				}
			}
			out, err := r.RenderText(t.Context(), text, newRequest(r, sv, text.Kind, text.Channel, text.Locale))
			if err != nil {
				continue
			}
			if len(out.Text) > 1<<20 || len(out.HTML) > 4<<20 {
				t.Errorf("%d and %d bytes", len(out.Text), len(out.HTML))
			}
			if strings.Contains(source, "raw") || strings.Contains(source, "'") || strings.Contains(source, `"`) {
				continue // may print braces
			}
			if strings.Contains(out.Text, "{{") && !templates.HasErrors(remarks) {
				t.Errorf("a source without errors leaves braces: %q", out.Text)
			}
		}
	})
}

func benchmarkRender(b *testing.B, channel survey.Channel, locale string) {
	r := newRenderer(b)
	req := newRequest(r, survey.Builtin()[0], survey.Invitation, channel, locale)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Render(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRenderSMS(b *testing.B)     { benchmarkRender(b, survey.SMS, "hr") }
func BenchmarkRenderViberFa(b *testing.B) { benchmarkRender(b, survey.Viber, "fa") }
func BenchmarkRenderEmail(b *testing.B)   { benchmarkRender(b, survey.Email, "hr") }
