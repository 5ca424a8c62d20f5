package console_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

type ctx = context.Context

func TestTyping(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		path  string
		form  []string
		words []string
		not   []string
	}{
		{
			"plain words", hrSMS,
			[]string{"text", "Ocijenite nas od 0 do 10. STOP za odjavu."},
			[]string{"Ocijenite nas od 0 do 10", "1 segment · GSM-7", "41 / 160", "Saved 14:32:00", "1 draft"},
			[]string{"data-code"},
		},
		{
			"unknown variable", hrSMS,
			[]string{"text", "Bok\n{{ contact.frist_name }}!"},
			[]string{`data-code="unknown_variable"`, `data-from="7"`, `data-to="25"`, "2:4", `data-fix="contact.first_name"`, "Replace with contact.first_name", "One thing stops"},
			nil,
		},
		{
			"a place after characters of two units", hrSMS,
			[]string{"text", "🧡🧡 {{ brand.nam }}"},
			[]string{`data-from="8"`, `data-to="17"`},
			nil,
		},
		{
			"unclosed tag", hrSMS,
			[]string{"text", "Bok {% if contact.name %}Ana"},
			[]string{`data-code="unclosed_block"`, "1:5", "Add {% endif %} at the end", "cannot be shown yet"},
			nil,
		},
		{
			"unclosed braces", hrSMS,
			[]string{"text", "Bok {{ contact.name"},
			[]string{`class="error"`, "1:5"},
			nil,
		},
		{
			"empty in a required locale", "/console/messages/" + nps + "/invitation/sms/en",
			[]string{"text", " "},
			[]string{`data-code="missing_text"`, "One thing stops", "No words yet"},
			nil,
		},
		{
			"what makes it UCS-2", "/console/messages/" + nps + "/invitation/sms/en",
			[]string{"text", "Rate us 0–10 ✓"},
			[]string{"1 segment · UCS-2", "U&#43;2013", "U&#43;2713", "14 / 70"},
			nil,
		},
		{
			"Persian", "/console/messages/" + nps + "/invitation/viber/fa",
			[]string{"text", "از {{ survey.min }} تا {{ survey.max }}؟"},
			[]string{`dir="rtl"`, `lang="fa"`, "<span>۱۰</span>"},
			nil,
		},
		{
			"chat is seen on both phones", "/console/messages/" + nps + "/thanks.promoter/chat/hr",
			[]string{"text", "Hvala!"},
			[]string{`data-preview="sms"`, `data-preview="viber"`},
			nil,
		},
		{
			"email without a subject", "/console/messages/" + nps + "/invitation/email/hr",
			[]string{"text", "{{ links.page }} {{ links.unsubscribe }}"},
			[]string{`data-code="missing_subject"`, "<iframe"},
			nil,
		},
		{
			"email without its link", "/console/messages/" + nps + "/invitation/email/hr",
			[]string{"subject", "s", "text", "Bok"},
			[]string{`data-code="missing_page_link"`, "Add {{ links.page }} at the end"},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			app, _ := newConsole(t)
			a := typing(t, app, tt.path, tt.form...)
			want(t, a, 200, tt.words...)
			wantNot(t, a, tt.not...)
			wantNot(t, a, "<html lang=\"en\"") // a fragment
			want(t, get(t, app, tt.path), 200) // and the page of it
		})
	}
}

func TestDraft(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	published := f.live(survey.Invitation, survey.SMS, "hr").Text

	want(t, typing(t, app, hrSMS, "text", "one\r\ntwo"), 200)
	d, ok := f.draft(survey.Invitation, survey.SMS, "hr")
	if diff := cmp.Diff(survey.Text{Kind: "invitation", Channel: "sms", Locale: "hr", Text: "one\ntwo"}, d); !ok || diff != "" {
		t.Fatal(ok, diff)
	}
	want(t, get(t, app, hrSMS), 200, "one\ntwo", "Discard draft", "Draft kept")

	want(t, typing(t, app, hrSMS, "text", published), 200, "As published")
	if _, ok := f.draft(survey.Invitation, survey.SMS, "hr"); ok {
		t.Error("words as published are still a draft")
	}

	want(t, post(t, app, hrSMS+"/draft", "text", "three"), 303) // without script
	if d, _ := f.draft(survey.Invitation, survey.SMS, "hr"); d.Text != "three" {
		t.Errorf("draft %q", d.Text)
	}
	want(t, post(t, app, hrSMS+"/discard"), 303)
	if _, ok := f.draft(survey.Invitation, survey.SMS, "hr"); ok {
		t.Error("the draft is not discarded")
	}

	want(t, typing(t, app, hrSMS, "text", strings.Repeat("x", 200<<10)), 413, "too long")
	if _, ok := f.draft(survey.Invitation, survey.SMS, "hr"); ok {
		t.Error("the long text is saved")
	}
	want(t, typing(t, app, "/console/messages/"+nps+"/invitation/fax/hr", "text", "x"), 404)
}

func TestTestSend(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	want(t, typing(t, app, hrSMS, "text", "Proba"), 200)
	a := post(t, app, hrSMS+"/test", "to", "+385911234567")
	want(t, a, 303)
	if got := a.header.Get("Location"); got != "/sandbox?to=+385911234567" {
		t.Errorf("to %q", got)
	}
	wanted := []testSend{{survey.Text{Kind: "invitation", Channel: "sms", Locale: "hr", Text: "Proba"}, "+385911234567", "usr_1"}}
	if len(f.tests) != 1 || f.tests[0] != wanted[0] {
		t.Errorf("tests %v, want %v", f.tests, wanted)
	}
	want(t, post(t, app, hrSMS+"/test", "to", "nobody"), 422, "nobody is not a phone number")
	want(t, typing(t, app, hrSMS, "text", "{{ nope }}"), 200)
	want(t, post(t, app, hrSMS+"/test", "to", "+385911234567"), 422, "has an error")
	want(t, post(t, app, "/console/messages/"+nps+"/question/web/hr/test", "to", "+385911234567"), 404)
	if len(f.tests) != 1 {
		t.Errorf("%d tests", len(f.tests))
	}
}

var seenField = regexp.MustCompile(`name="seen" value="([^"]*)"`)

// look opens the last page before publishing and gives its mark of the drafts.
func seenOf(t *testing.T, a answer) string {
	t.Helper()
	m := seenField.FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("no form to publish: %.2000s", a.body)
	}
	return m[1]
}

func TestPublish(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	page := "/console/publish/" + nps
	want(t, get(t, app, page), 200, "nothing to publish")
	want(t, post(t, app, page, "base", "1", "seen", ""), 409)

	want(t, typing(t, app, hrSMS, "text", "Nove rijeci"), 200)
	a := get(t, app, page)
	want(t, a, 200, "1 message will change", "<ins>", "<del>", "Publish version 2")
	a = post(t, app, page, "base", "1", "seen", seenOf(t, a), "note", "  shorter\n words ")
	want(t, a, 303)
	if got := a.header.Get("Location"); got != hrSMS+"?done=published" {
		t.Errorf("to %q", got)
	}
	r, err := f.Release(t.Context(), nps, 2)
	if err != nil {
		t.Fatal(err)
	}
	if f.live(survey.Invitation, survey.SMS, "hr").Text != "Nove rijeci" || r.Actor != "usr_1" || r.Note != "shorter words" {
		t.Errorf("release by %q, %q", r.Actor, r.Note)
	}
	if first, _ := f.Release(t.Context(), nps, 1); len(r.Texts) != len(first.Texts) {
		t.Errorf("%d texts, were %d", len(r.Texts), len(first.Texts))
	}
	want(t, get(t, app, hrSMS+"?done=published"), 200, "Version 2 is published", "v2 published")
}

func TestPublishGate(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	f.drafts[nps] = []survey.Text{
		{Kind: survey.Invitation, Channel: survey.SMS, Locale: "pl", Text: "{{ contact.frist_name }}"},
		{Kind: survey.Reminder, Channel: survey.SMS, Locale: "en"},
		{Kind: survey.Reminder, Channel: survey.Viber, Locale: "sl"},
	}
	a := get(t, app, "/console/publish/"+nps)
	want(t, a, 200, "2 things stop publishing", "contact.frist_name", "/messages/"+nps+"/reminder/sms/en", "which stops publishing", "disabled")
	wantNot(t, a, `id="publish-now"`)
	want(t, post(t, app, "/console/publish/"+nps, "base", "1", "seen", seenOf(t, a)), 422, "2 things stop publishing")
	if n := len(f.releases[nps]); n != 1 {
		t.Errorf("%d releases", n)
	}
	want(t, get(t, app, hrSMS), 200, "2 things stop", `aria-disabled="true" aria-describedby="gate"`)
}

func TestPublishConflict(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	page := "/console/publish/" + nps
	byMarko := func() {
		texts := f.releases[nps][0].Texts
		f.mu.Lock()
		defer f.mu.Unlock()
		f.releases[nps] = append(f.releases[nps], survey.Release{Survey: nps, Version: len(f.releases[nps]) + 1, Texts: texts, Actor: "usr_2", At: f.now})
	}
	want(t, typing(t, app, hrSMS, "text", "Nove rijeci"), 200)
	seen := seenOf(t, get(t, app, page))

	f.race = byMarko // between our reading and our writing
	a := post(t, app, page, "base", "1", "seen", seen, "note", "mine")
	want(t, a, 409, "Marko Radić published version 2 meanwhile", "no draft is lost", `value="mine"`, "Publish version 3", "Nove")
	if _, ok := f.draft(survey.Invitation, survey.SMS, "hr"); !ok {
		t.Fatal("the draft is lost")
	}
	want(t, post(t, app, page, "base", "1", "seen", seen), 409, "Marko Radić") // the old page again
	want(t, typing(t, app, hrSMS, "text", "Nove rijeci"), 200, "Version 2 was published while you were writing")

	want(t, typing(t, app, hrSMS, "text", "Jos novije"), 200)
	want(t, post(t, app, page, "base", "2", "seen", seen), 409, "The drafts changed after you looked")
	want(t, post(t, app, page, "base", "2", "seen", seenOf(t, get(t, app, page))), 303)
	if got := f.live(survey.Invitation, survey.SMS, "hr").Text; got != "Jos novije" {
		t.Errorf("live %q", got)
	}
}

func TestRollBack(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	first := f.live(survey.Invitation, survey.SMS, "hr").Text
	page := "/console/publish/" + nps
	want(t, typing(t, app, hrSMS, "text", "Nove rijeci"), 200)
	want(t, post(t, app, page, "base", "1", "seen", seenOf(t, get(t, app, page))), 303)
	other := "/console/messages/" + nps + "/invitation/viber/hr"
	want(t, typing(t, app, other, "text", "skica"), 200)

	want(t, get(t, app, "/console/versions/"+nps), 200, "v2", "v1", "Iva Horvat")
	want(t, get(t, app, "/console/versions/"+nps+"/1"), 200, "1 message would change", "Roll back to version 1", "<del>")
	want(t, get(t, app, "/console/versions/"+nps+"/2"), 200, "119 messages")
	want(t, post(t, app, "/console/versions/"+nps+"/1/rollback", "base", "1"), 409, "Somebody published meanwhile")
	a := post(t, app, "/console/versions/"+nps+"/1/rollback", "base", "2", "note", "answers fell")
	want(t, a, 303)
	want(t, get(t, app, a.header.Get("Location")), 200, "Version 3 is published", "Rolled back to version 1: answers fell")
	if got := f.live(survey.Invitation, survey.SMS, "hr").Text; got != first {
		t.Errorf("live %q", got)
	}
	if d, ok := f.draft(survey.Invitation, survey.Viber, "hr"); !ok || d.Text != "skica" {
		t.Error("the draft is lost")
	}
}

func TestSampleOfWhomNothingIsKnown(t *testing.T) {
	t.Parallel()
	app, _ := newConsole(t)
	text := `Bok {{ contact.first_name | default: "kupče" }}`
	want(t, typing(t, app, hrSMS, "text", text), 200, "Bok Ana")
	want(t, typing(t, app, hrSMS, "text", text, "sample", "bare"), 200, "Bok kup")
	want(t, get(t, app, hrSMS+"?sample=bare"), 200, "Bok kup", `name="sample" value="bare"`)
}

// BenchmarkTyping is one pause while writing: the draft is saved, all texts are linted, the preview is made.
func BenchmarkTyping(b *testing.B) {
	app, _ := newConsole(b)
	for i := 0; b.Loop(); i++ {
		if a := typing(b, app, hrSMS, "text", strings.Repeat("x", 1+i%100)); a.status != 200 {
			b.Fatal(a.status)
		}
	}
}

func BenchmarkEditorPage(b *testing.B) {
	app, _ := newConsole(b)
	for b.Loop() {
		if a := get(b, app, hrSMS); a.status != 200 {
			b.Fatal(a.status)
		}
	}
}
