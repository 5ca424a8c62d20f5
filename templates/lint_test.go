package templates

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

func nps() survey.Survey { return survey.Builtin()[0] }

func TestLint(t *testing.T) {
	t.Parallel()
	type place struct {
		Line, Column, End int
		Severity, Code    string
		Fix               string
	}
	const warn, bad = SeverityWarning, SeverityError
	tests := []struct {
		name, text string
		want       []place
	}{
		{"clean", "Hi {{ contact.first_name | default: 'you' }}, {{ transaction.attributes.store }} {{ links.page }}", nil},
		{"misspelled", "Hi {{ contact.frist_name }}", []place{{1, 7, 25, bad, "unknown_variable", "Did you mean contact.first_name?"}}},
		{"end of a path", "Hi {{ first_name }}", []place{{1, 7, 17, bad, "unknown_variable", "Did you mean contact.first_name?"}}},
		{"too deep", "{{ contact.name.first_one }}", []place{{1, 4, 26, bad, "unknown_variable", ""}}},
		{"a whole branch", "{{ brand.nmae }}", []place{{1, 4, 14, bad, "unknown_variable", "Did you mean brand.name?"}}},
		{"strange", "{{ zyx }}", []place{{1, 4, 7, bad, "unknown_variable", ""}}},
		{"in a condition", "{% if contact.nam == 'x' and score > 3 %}{% endif %}", []place{{1, 7, 18, bad, "unknown_variable", "Did you mean contact.name?"}}},
		{"in a filter", "{{ brand.name | append: brnd.name }}", []place{{1, 25, 34, bad, "unknown_variable", "Did you mean brand.name?"}}},
		{"in quotes is no name", "{{ 'contact.frist_name' }}", nil},
		{"own names", "{% assign x = brand.name %}{% capture y %}{{ x }}{% endcapture %}{{ y }}{% for z in transaction.attributes %}{{ z.first }}{{ forloop.index }}{% endfor %}", nil},
		{"forloop", "{% for z in transaction.attributes %}{{ forloop.indx }}{% endfor %}", []place{{1, 41, 53, bad, "unknown_variable", "Did you mean forloop.index?"}}},
		{"filter", "{{ brand.name | upcse }}", []place{{1, 17, 22, bad, "unknown_filter", "Did you mean upcase?"}}},
		{"safe", "{{ brand.name | safe }}", []place{{1, 17, 21, bad, "unknown_filter", "Values are always escaped in HTML."}}},
		{"tag", "{% captur %}", []place{{1, 1, 13, bad, "unknown_tag", "Did you mean capture?"}}},
		{"include", "{% include 'x' %}", []place{{1, 1, 18, bad, "unknown_tag", ""}}},
		{"second line, after wide letters", "љ\n😀č {{ nam }}", []place{{2, 8, 11, bad, "unknown_variable", ""}}},
		{"unclosed", "Hi {{ brand.name", []place{{1, 4, 17, bad, "unclosed_variable", "Write }} at its end."}}},
		{"half closed", "Hi {{ brand.name }", []place{{1, 4, 19, bad, "unclosed_variable", "Write }} at its end."}}},
		{"closes nothing", "Hi brand.name }}", []place{{1, 15, 17, warn, "stray_close", "Write its opening braces, or remove it."}}},
		{"curly quotes", "{{ brand.name | default: “x” }}", []place{{1, 1, 32, bad, "syntax", `Use straight quotation marks: "…" or '…'.`}}},
		{"open quote", "{{ brand.name | default: 'x }}", []place{{1, 1, 31, bad, "syntax", "A quotation mark is not closed."}}},
		{"range", "{% for i in (1..score) %}{% endfor %}", []place{{1, 14, 22, bad, "range", "Write numbers, such as (1..10)."}}},
		{"two faults", "{{ a1 }}\n{{ b2 }}", []place{{1, 4, 6, bad, "unknown_variable", ""}, {2, 4, 6, bad, "unknown_variable", ""}}},
		{"nothing", " \n", []place{{1, 1, 2, bad, "missing_text", "Write the message."}}},
		{"in a comment", "x{% comment %}{{ nope }}{% endcomment %}", nil},
		{"tag over lines", "{% assign x =\n brand.name %}{{ x }}", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []place
			for _, r := range NewEngine().Lint(survey.Text{Kind: survey.Invitation, Channel: survey.Viber, Locale: "en", Text: tt.text}, LintOptions{Survey: nps()}) {
				got = append(got, place{r.Line, r.Column, r.EndColumn, r.Severity, r.Code, r.Fix})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func codes(remarks []Remark) []string {
	var out []string
	for _, r := range remarks {
		out = append(out, r.Field+":"+r.Severity+":"+r.Code)
	}
	return out
}

func TestLintEmail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		text survey.Text
		want []string
	}{
		{"clean", survey.Text{Kind: survey.Invitation, Subject: "Hi", Text: "{{ links.page }} {{ links.unsubscribe }}"}, nil},
		{"no subject", survey.Text{Kind: survey.Invitation, Text: "{{ links.page }} {{ links.unsubscribe }}"}, []string{"subject:error:missing_subject"}},
		{"no page", survey.Text{Kind: survey.Reminder, Subject: "Hi", Text: "{{ links.unsubscribe }}"}, []string{"text:error:missing_page_link"}},
		{"a page in a comment", survey.Text{Kind: survey.Reminder, Subject: "Hi", Text: "x{% comment %}{{ links.page }}{% endcomment %}{{ links.unsubscribe }}"}, []string{"text:error:missing_page_link"}},
		{"no unsubscribe", survey.Text{Kind: survey.Invitation, Subject: "Hi", Text: "{{ links.page }}"}, []string{"text:warning:missing_unsubscribe_link"}},
		{"no unsubscribe in HTML", survey.Text{Kind: survey.Invitation, Subject: "Hi", Text: "{{ links.page }}{{ links.unsubscribe }}", HTML: "<a href=\"{{ links.page }}\">x</a>"}, []string{"html:error:missing_unsubscribe_link"}},
		{"faults in each", survey.Text{Kind: survey.ThanksPromoter, Subject: "{{ a1 }}", Text: "{{ b1 }}", HTML: "{{ c1 }}"}, []string{"subject:error:unknown_variable", "text:error:unknown_variable", "html:error:unknown_variable"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.text.Channel, tt.text.Locale = survey.Email, "en"
			if diff := cmp.Diff(tt.want, codes(NewEngine().Lint(tt.text, LintOptions{Survey: nps()}))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLintSMS(t *testing.T) {
	t.Parallel()
	packs := newPacks(t)
	long := strings.Repeat("x", 100)
	tests := []struct{ name, locale, text, message, fix string }{
		{"GSM-7", "en", "Hi {{ brand.name }}", "1 SMS segment, GSM-7, 7 characters, with sample values", ""},
		{"folded", "hr", "Čekamo " + long, `1 SMS segment, GSM-7, 107 characters, with sample values after the fold "strip"; as it is written, 2 in UCS-2`, ""},
		{"not folded", "en", "Čekamo " + long, "2 SMS segments, UCS-2, 107 characters, with sample values: Č cannot be written in GSM-7", "Without these characters it would be 1."},
		{"Persian", "fa", "سلام", "1 SMS segment, UCS-2, 4 characters, with sample values: س ل ا م cannot be written in GSM-7", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := NewEngine().Lint(survey.Text{Kind: survey.Invitation, Channel: survey.SMS, Locale: tt.locale, Text: tt.text}, LintOptions{Survey: nps(), Pack: packs[tt.locale]})
			if len(got) != 1 || got[0].Severity != SeverityInfo || got[0].Message != tt.message || got[0].Fix != tt.fix {
				t.Errorf("got %+v, want %q and %q", got, tt.message, tt.fix)
			}
		})
	}
}

func TestLintRelease(t *testing.T) {
	t.Parallel()
	packs := newPacks(t)
	sv := nps()
	full := BuiltinReleases(packs, []survey.Survey{sv})[0].Texts
	drop := func(kind survey.Kind, channel survey.Channel, locales ...string) []survey.Text {
		var out []survey.Text
		for _, x := range full {
			gone := false
			for _, l := range locales {
				gone = gone || (x.Kind == kind && x.Channel == channel && x.Locale == l)
			}
			if !gone {
				out = append(out, x)
			}
		}
		return out
	}
	tests := []struct {
		name  string
		texts []survey.Text
		want  []string
		says  string
	}{
		{"what came with the program", full, nil, ""},
		{"a hole in a required locale", drop(survey.Clarify, survey.Chat, "en"), []string{"text:error:missing_required"}, "clarify for chat is missing in en"},
		{"a hole in another", drop(survey.Clarify, survey.Chat, "hr"), []string{"text:warning:missing"}, "customers would get it as en for chat"},
		{"doubled", append(drop("", ""), full[0]), []string{"text:error:doubled"}, "twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []Remark
			for _, r := range NewEngine().LintRelease(sv, tt.texts, packs) {
				if r.Severity != SeverityInfo {
					got = append(got, r)
				}
			}
			if diff := cmp.Diff(tt.want, codes(got)); diff != "" {
				t.Error(diff)
			}
			if len(got) > 0 && !strings.Contains(got[0].Message, tt.says) {
				t.Errorf("message %q, want one with %q", got[0].Message, tt.says)
			}
			if want := strings.Contains(strings.Join(tt.want, " "), "error"); HasErrors(got) != want {
				t.Errorf("HasErrors = %t, want %t", !want, want)
			}
		})
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"trasaction.id": "Did you mean transaction.id?", "links.unsubsribe": "Did you mean links.unsubscribe?", "qqqq": "", "scroe": "Did you mean score?",
	} {
		if got := didYouMean(word, VariableNames()); got != want {
			t.Errorf("didYouMean(%q) = %q, want %q", word, got, want)
		}
	}
}
