package templates

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

type releases map[string]survey.Release

func (r releases) Release(_ context.Context, id string, _ int) (survey.Release, error) {
	return r[id], nil
}

// hostile values: each could end a tag, an attribute, a title or a direction, or be taken for a placeholder.
func hostile(mark string) []string {
	return []string{
		"", "Ana", "Ana Kovač", "سارا محمدی", "<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "' onclick='x", "</title></style>",
		"<!--[if mso]>", "-->", "{{.Subject}} {% x %}", "a & b &amp; &#34; + =`", "\u202eevil\u202c \u2066x\u2069 \u2068y", "\x00\x01\x7f\xff\xc3",
		"line\nbreak\r\nand\ttab\u2028\u2029\u0085", "https://evil.example/?a=<b>&c=\"d\"", "javascript:alert(1)", "\ufeff", "😀", "$0 $1 \\1", "%s %00",
		mark, mark + "00", mark + "99", "x" + mark + "0", strings.Repeat("long ", 200),
	}
}

// TestFrames compares what frames make with what the layout makes, for every email that comes with the program.
func TestFrames(t *testing.T) {
	t.Parallel()
	packs, err := LoadPacks()
	if err != nil {
		t.Fatal(err)
	}
	source := make(releases)
	for _, r := range BuiltinReleases(packs, survey.Builtin()) {
		source[r.Survey] = r
	}
	brands := map[string]Brand{
		"": {Name: "Lipa", Address: "Ilica 12, Zagreb"}, "bare": {Name: "Bare", Color: "#aa3300"},
		"evil": {Name: `A<b>"' & +`, Address: "</bdi><script>", Color: "#123"},
	}
	r := NewRenderer(source, packs, brands)
	links := []URLs{
		{"https://ask.example.hr/s/AbC-_1", "https://ask.example.hr/u/AbC-_1"},
		{"https://x.hr/s/1?a=b&c=d", "https://x.hr/u/1?a=b&c=d"},
		{"", ""},
		{`https://x.hr/"><script>`, `javascript:alert("1")`},
		{"http://127.0.0.1:8080/s/1", "http://127.0.0.1:8080/u/č ć%20%zz+'"},
	}
	slow := NewRenderer(r.source, packs, r.brands)
	slow.frames = new(frames) // none
	values := hostile(r.frames.mark)
	for _, sv := range survey.Builtin() {
		for _, locale := range Locales() {
			for _, kind := range []survey.Kind{survey.Invitation, survey.Reminder} {
				t.Run(strings.Join([]string{sv.ID, locale, string(kind)}, "/"), func(t *testing.T) {
					t.Parallel()
					for i, value := range values {
						for j, link := range links {
							send := SampleSend(sv, locale)
							send.Recipient.Name, send.Transaction.ID = value, values[(i+7)%len(values)]
							compare(t, r, slow, Request{
								Survey: sv, Version: 1, Brand: []string{"", "bare", "evil"}[(i+j)%3], Kind: kind, Channel: survey.Email,
								Locale: locale, Links: link, Vars: Vars(send, Brand{Name: value}, sv, link, nil),
							})
						}
					}
				})
			}
		}
	}
	if n := len(r.frames.made); n > maxFrames {
		t.Errorf("%d frames", n)
	}
}

// TestFramesOfDrafts compares the same for authors' own words.
func TestFramesOfDrafts(t *testing.T) {
	t.Parallel()
	packs, err := LoadPacks()
	if err != nil {
		t.Fatal(err)
	}
	r := NewRenderer(releases{}, packs, map[string]Brand{"": {Name: "Lipa"}})
	sv := survey.Builtin()[0]
	links := URLs{Page: "https://ask.example.hr/s/AbC", Unsubscribe: "https://ask.example.hr/u/AbC"}
	slow := NewRenderer(r.source, packs, r.brands)
	slow.frames = new(frames) // none
	values := hostile(r.frames.mark)
	for i, value := range values {
		other := values[(i+5)%len(values)]
		for _, text := range []string{
			"{{ contact.name }}", "Q?\n\n" + "{{ contact.name }}\n\nx: {{ links.page }}\n\n{{ contact.name }}\n\nwhy {{ contact.name }}\nbye: {{ links.unsubscribe }}",
			"{{ contact.name }}\n\n{{ contact.name }} {{ links.page }}\n\n{{ contact.name }} {{ links.unsubscribe }}",
			strings.Repeat("{{ contact.name }}p\n\n", maxParagraphs+2),
			"<b>" + strings.NewReplacer("{", "(", "}", ")").Replace(value) + "\n\n{{ links.page }}",
		} {
			for _, locale := range []string{"hr", "fa", "he"} {
				for _, word := range []string{"", "{{ contact.name }}", "{{ transaction.id }} x"} {
					req := Request{
						Survey: sv, Kind: survey.Invitation, Channel: survey.Email, Locale: locale, Links: links,
						Vars: map[string]any{"contact": map[string]any{"name": value}, "transaction": map[string]any{"id": other}},
						Texts: []survey.Text{
							{Kind: survey.Invitation, Channel: survey.Email, Locale: locale, Subject: "{{ contact.name }} {{ transaction.id }}", Text: text},
							{Kind: survey.Question, Channel: survey.Web, Locale: locale, Text: "Q" + word},
							{Kind: survey.ScaleLow, Channel: survey.Web, Locale: locale, Text: word},
							{Kind: survey.ScaleHigh, Channel: survey.Web, Locale: locale, Text: word + "."},
						},
					}
					compare(t, r, slow, req)
				}
			}
		}
	}
}

// compare renders a request by frames and by the layout alone.
func compare(t *testing.T, r, slow *Renderer, req Request) {
	t.Helper()
	want, wantErr := slow.Render(t.Context(), req)
	got, err := r.Render(t.Context(), req)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%v, want %v", err, wantErr)
	}
	if want.HTML != got.HTML || want.Text != got.Text || want.Subject != got.Subject {
		t.Fatalf("%+v: %s", req.Vars, cmp.Diff(want, got))
	}
	if strings.Contains(want.HTML, "<script") && !strings.Contains(want.HTML, "&lt;script") {
		t.Fatalf("a script got in: %s", want.HTML)
	}
}

func TestFramesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFrames()
	for i := range 2*maxFrames + 3 {
		if _, err := f.of(frameKey{before: i}, func() (string, error) { return "<p>" + f.mark + "00</p>", nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.made); n == 0 || n > maxFrames {
		t.Errorf("%d frames are kept", n)
	}
}
