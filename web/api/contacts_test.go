package api

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
)

// exampleContact is the one in the examples of the description.
const exampleContact = "con_01KAH3Q9V2J8T5N4E6R7W0XYZB"

// fakePeople knows one live person and notes what is asked of it.
type fakePeople struct {
	person  survey.Person
	asked   []survey.ContactFilter
	merged  []string
	given   []survey.ConsentRecord
	erased  []string
	dossier survey.Dossier
}

func newFakePeople() *fakePeople {
	p := survey.Person{
		Contact: survey.Contact{ID: exampleContact, Mode: survey.Live, Name: "Ana", Identities: []survey.Identity{{Kind: survey.ByEmail, Value: "ana@example.hr"}}, CreatedAt: noon, UpdatedAt: noon},
		Suppressions: []survey.Suppression{
			{Channel: survey.SMS, Address: "+385911234567", Scope: survey.ScopeUnreachable, At: noon},
			{Channel: survey.Email, Address: "ana@example.hr", Scope: survey.ScopeAll, At: noon},
		},
		Sends: []survey.Reached{{
			Send: survey.Send{ID: "snd_1", Survey: "nps-after-purchase", Status: survey.Completed}, Channel: survey.SMS,
			Response: &survey.Response{Metric: survey.NPS, Score: 9, Segment: survey.Promoter},
		}, {Send: survey.Send{ID: "snd_2", Status: survey.Suppressed, Reason: survey.ReasonOptedOut}}},
	}
	return &fakePeople{person: p, dossier: survey.Dossier{Person: p, Files: []survey.File{{
		Send: survey.Send{ID: "snd_1"}, Attempts: []survey.Attempt{{ID: "att_1", Address: "+385911234567"}}, Response: &survey.Response{ID: "rsp_1"},
	}}, Inbound: []survey.Inbound{{ID: "inb_1", Body: []byte("Body=9")}, {ID: "inb_2", Body: []byte{0xff}}}, Sandbox: []string{`{"id":"msg_1"}`}, Made: noon}}
}

func (f *fakePeople) here(mode survey.Mode, id string) error {
	if id != exampleContact || mode != survey.Live {
		return survey.ErrNotFound
	}
	return nil
}

func (f *fakePeople) Contacts(_ context.Context, q survey.ContactFilter) ([]survey.Contact, string, error) {
	f.asked = append(f.asked, q)
	return []survey.Contact{f.person.Contact}, "more", nil
}

func (f *fakePeople) Person(_ context.Context, mode survey.Mode, id string, _ int) (survey.Person, error) {
	return f.person, f.here(mode, id)
}

func (f *fakePeople) MergeContacts(_ context.Context, mode survey.Mode, id, into, actor string, _ time.Time) error {
	f.merged = append(f.merged, id+">"+into+" "+actor)
	return f.here(mode, id)
}

func (f *fakePeople) RecordConsent(_ context.Context, mode survey.Mode, id string, r survey.ConsentRecord) error {
	f.given = append(f.given, r)
	return f.here(mode, id)
}

func (f *fakePeople) ExportContact(_ context.Context, mode survey.Mode, id string) (survey.Dossier, error) {
	return f.dossier, f.here(mode, id)
}

func (f *fakePeople) EraseContact(_ context.Context, mode survey.Mode, id, actor string, _ time.Time) (survey.Erasure, error) {
	f.erased = append(f.erased, id+" "+actor)
	return survey.Erasure{ContactID: id, Sends: 2}, f.here(mode, id)
}

func TestListContacts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query string
		want        survey.Identity
		status      int
	}{
		{"all", "", survey.Identity{}, 200},
		{"by email", "?email=Ana@EXAMPLE.hr", survey.Identity{Kind: "email", Value: "ana@example.hr"}, 200},
		{"by phone", "?phone=%2B385+91+123+4567", survey.Identity{Kind: "phone", Value: "+385911234567"}, 200},
		{"by phone with a bare plus", "?phone=+385911234567", survey.Identity{Kind: "phone", Value: "+385911234567"}, 200},
		{"by phone in Persian digits", "?phone=%2B%DB%B9%DB%B8%DB%B9%DB%B1%DB%B2%DB%B1%DB%B2%DB%B3%DB%B4%DB%B5%DB%B6%DB%B7", survey.Identity{Kind: "phone", Value: "+989121234567"}, 200},
		{"by external id", "?external_id=c-1", survey.Identity{Kind: "external_id", Value: "c-1"}, 200},
		{"by viber id", "?viber_id=abc%3D%3D", survey.Identity{Kind: "viber_id", Value: "abc=="}, 200},
		{"no email", "?email=ana", survey.Identity{}, 400},
		{"two ids", "?email=a@example.hr&phone=%2B385911234567", survey.Identity{}, 400},
		{"misspelt", "?emial=a@example.hr", survey.Identity{}, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			got := r.call(t, "GET", "/v1/contacts"+tt.query, "")
			if got.status != tt.status {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if tt.status != 200 {
				if len(r.people.asked) != 0 || got.problem(t).Detail == "" {
					t.Errorf("asked %v, said %s", r.people.asked, got.body)
				}
				return
			}
			if diff := cmp.Diff([]survey.ContactFilter{{Mode: survey.Live, Identity: tt.want, Limit: 50}}, r.people.asked); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(r.log.String(), "ana") || strings.Contains(r.log.String(), "38591") {
				t.Errorf("a person is in the log: %s", r.log)
			}
		})
	}
}

func TestOneContact(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var p personView
	got := r.call(t, "GET", "/v1/contacts/"+exampleContact, "")
	if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if len(p.Unreachable) != 1 || len(p.Suppressions) != 1 || len(p.Sends) != 2 || p.Sends[0].Metric.Score != 9 || p.Sends[1].Metric != nil || p.Sends[1].Reason != "opted_out" {
		t.Errorf("person %s", got.body)
	}
	test := r.key(t, survey.Test, auth.ContactsRead, auth.ContactsWrite)
	reads := r.key(t, survey.Live, auth.ContactsRead)
	for _, x := range []struct {
		name, method, path, body, key string
		status                        int
		code                          string
	}{
		{"other mode", "GET", "", "", test, 404, "not_found"},
		{"no contact", "GET", "x", "", liveKey, 404, "not_found"},
		{"export of the other mode", "GET", "/export", "", test, 404, "not_found"},
		{"merge without the scope", "POST", "/merge", `{"into":"` + exampleContact + `"}`, reads, 403, "missing_scope"},
		{"merge into nothing", "POST", "/merge", `{}`, liveKey, 422, "missing_member"},
		{"merge into a send", "POST", "/merge", `{"into":"snd_1"}`, liveKey, 422, "invalid_value"},
		{"consent without a basis", "POST", "/consents", `{"source":"x"}`, liveKey, 422, "missing_member"},
		{"consent of no channel", "POST", "/consents", `{"basis":"x","channel":"fax"}`, liveKey, 422, "unknown_channel"},
		{"erase without the id", "POST", "/erase", `{}`, liveKey, 422, "missing_member"},
		{"erase with another id", "POST", "/erase", `{"confirm":"con_1"}`, liveKey, 422, "invalid_value"},
		{"erase without the scope", "POST", "/erase", `{"confirm":"` + exampleContact + `"}`, reads, 403, "missing_scope"},
	} {
		got := r.call(t, x.method, "/v1/contacts/"+exampleContact+x.path, x.body, "Authorization", "Bearer "+x.key)
		code := got.problem(t).Code
		if errs := got.problem(t).Errors; len(errs) == 1 {
			code = errs[0].Code
		}
		if got.status != x.status || code != x.code {
			t.Errorf("%s: %d %s", x.name, got.status, got.body)
		}
	}
	if len(r.people.merged) != 0 || len(r.people.given) != 0 || len(r.people.erased) != 0 {
		t.Errorf("refused, and done: %+v", r.people)
	}
}

func TestChangeContact(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := "/v1/contacts/" + exampleContact
	if got := r.call(t, "POST", path+"/merge", `{"into":"`+exampleContact+`"}`); got.status != 200 {
		t.Errorf("merge: %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", path+"/consents", `{"basis":"withdrawn","channel":"email"}`); got.status != 201 {
		t.Errorf("consent: %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", path+"/erase", `{"confirm":"`+exampleContact+`"}`); got.status != 200 || !strings.Contains(got.body, `"sends":2`) {
		t.Errorf("erase: %d %s", got.status, got.body)
	}
	want := &fakePeople{
		person: r.people.person, dossier: r.people.dossier, merged: []string{exampleContact + ">" + exampleContact + " " + auth.BootstrapID},
		given:  []survey.ConsentRecord{{Basis: "withdrawn", Channel: survey.Email, At: noon, Actor: auth.BootstrapID, RecordedAt: noon}},
		erased: []string{exampleContact + " " + auth.BootstrapID},
	}
	if diff := cmp.Diff(want, r.people, cmp.AllowUnexported(fakePeople{})); diff != "" {
		t.Error(diff)
	}
	got := r.call(t, "GET", path+"/export", "")
	for _, part := range []string{`"text":"Body=9"`, `"bytes":"/w=="`, `"address":"+385911234567"`, `"msg_1"`, `"rsp_1"`} {
		if !strings.Contains(got.body, part) {
			t.Errorf("the export lacks %s: %s", part, got.body)
		}
	}
	if got.status != 200 || !strings.Contains(got.header.Get("Content-Disposition"), exampleContact) || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", got.status, got.header)
	}
}

func TestSuppressionScopes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		code       string // "" = taken
	}{
		{"all", `{"channel":"sms","address":"+385911234567"}`, ""},
		{"survey", `{"channel":"sms","address":"+385911234567","scope":"survey","subject":"nps-after-purchase"}`, ""},
		{"brand", `{"channel":"email","address":"a@example.hr","scope":"brand","subject":"lipa","reason":"asked us"}`, ""},
		{"unknown brand", `{"channel":"email","address":"a@example.hr","scope":"brand","subject":"lippa"}`, "invalid_value"},
		{"the brand without a name", `{"channel":"email","address":"a@example.hr","scope":"brand"}`, ""},
		{"survey without one", `{"channel":"sms","address":"+385911234567","scope":"survey"}`, "missing_member"},
		{"unknown survey", `{"channel":"sms","address":"+385911234567","scope":"survey","subject":"x"}`, "unknown_survey"},
		{"subject of all", `{"channel":"sms","address":"+385911234567","subject":"x"}`, "invalid_value"},
		{"scope of providers", `{"channel":"sms","address":"+385911234567","scope":"unreachable"}`, "invalid_value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.api.brands = []string{"", "lipa"}
			got := r.call(t, "POST", "/v1/suppressions", tt.body)
			if tt.code == "" {
				if got.status != 201 || len(r.suppressions) != 1 || r.suppressions[0].Scope == "" || r.suppressions[0].Reason == "" {
					t.Fatalf("%d %s", got.status, got.body)
				}
				if got := r.call(t, "POST", "/v1/suppressions/lift", strings.Replace(tt.body, `,"reason":"asked us"`, "", 1)); got.status != 204 || len(r.suppressions) != 0 {
					t.Errorf("lift: %d %s", got.status, got.body)
				}
				return
			}
			if got.status != 422 || got.problem(t).Errors[0].Code != tt.code || len(r.suppressions) != 0 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

// A brand has to be one that a survey asks for: a suppression of another would hold back nothing.
func TestSuppressBrand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, subject string
		brands        []string
		code          string // "" = taken
	}{
		{"the only one, named", "lipa", []string{""}, "invalid_value"},
		{"the only one", "", []string{""}, ""},
		{"one of two", "lipa", []string{"bor", "lipa"}, ""},
		{"which of two", "", []string{"bor", "lipa"}, "missing_member"},
	} {
		r := newRig(t)
		r.api.brands = tt.brands
		got := r.call(t, "POST", "/v1/suppressions", `{"channel":"sms","address":"+385911234567","scope":"brand","subject":"`+tt.subject+`"}`)
		if tt.code == "" && got.status != 201 || tt.code != "" && (got.status != 422 || got.problem(t).Errors[0].Pointer != "/subject" || got.problem(t).Errors[0].Code != tt.code) {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
	}
}

// What is lifted may be of a survey or brand that is there no more, and is lifted in somebody's name.
func TestLiftSuppression(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	old := survey.Suppression{Mode: survey.Live, Channel: survey.Email, Address: "ana@example.hr", Scope: survey.ScopeSurvey, Subject: "gone"}
	r.suppressions = []survey.Suppression{old}
	got := r.call(t, "POST", "/v1/suppressions/lift", `{"channel":"email","address":"Ana@Example.hr","scope":"survey","subject":"gone","reason":"asked us"}`)
	want := []survey.Lift{{
		Mode: survey.Live, Channel: survey.Email, Address: "ana@example.hr", Scope: survey.ScopeSurvey, Subject: "gone", Actor: auth.BootstrapID, Why: "asked us", At: noon,
	}}
	if diff := cmp.Diff(want, r.lifts); diff != "" || got.status != 204 {
		t.Errorf("%d %s%s", got.status, got.body, diff)
	}
}

func TestSuppressMany(t *testing.T) {
	t.Parallel()
	good, bad := `{"channel":"sms","address":"+385 91 123 4567","scope":"channel"}`, `{"channel":"sms","addr":"+385911234567"}`
	for _, tt := range []struct{ name, media, body, pointer string }{
		{"array", mediaJSON, "[" + good + "," + bad + "," + good + "]", "/1/addr"},
		{"lines", mediaNDJSON, good + "\n" + bad + "\n\n" + good + "\n", "/addr"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			got := r.call(t, "POST", "/v1/suppressions/batch", tt.body, "Content-Type", tt.media)
			var out suppressionsResult
			if err := json.Unmarshal([]byte(got.body), &out); err != nil || got.status != 200 || out.Accepted != 2 || out.Refused != 1 || len(out.Items) != 1 {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if x := out.Items[0]; x.Status != 422 || x.Error.Errors[0].Code != "unknown_member" || x.Error.Errors[0].Pointer != tt.pointer || x.Line+1 == 1 == (x.Index == nil) {
				t.Errorf("item %+v", x)
			}
			if len(r.suppressions) != 2 || r.suppressions[0].Address != "+385911234567" || r.suppressions[0].Source != auth.BootstrapID {
				t.Errorf("kept %+v", r.suppressions)
			}
		})
	}
	r := newRig(t)
	many := "[" + strings.Repeat(good+",", 10_000) + good + "]"
	if got := r.call(t, "POST", "/v1/suppressions/batch", many); got.status != 413 || len(r.suppressions) != 0 {
		t.Errorf("10,001: %d", got.status)
	}
	if got := r.call(t, "POST", "/v1/suppressions/batch", "[]"); got.problem(t).Code != "empty_batch" {
		t.Errorf("none: %s", got.body)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	f := NewFinder()
	for words, want := range map[string]survey.Identity{
		" Ana@EXAMPLE.hr ":   {Kind: survey.ByEmail, Value: "ana@example.hr"},
		"00385 91 123-4567":  {Kind: survey.ByPhone, Value: "+385911234567"},
		"+۹۸ ۹۱۲ ۱۲۳ ۴۵۶۷":   {Kind: survey.ByPhone, Value: "+989121234567"},
		"c-1881":             {Kind: survey.ByExternalID, Value: "c-1881"},
		"01234567890A+/A6A=": {Kind: survey.ByExternalID, Value: "01234567890A+/A6A="},
	} {
		if all := f.Find(words); len(all) == 0 || all[0] != want {
			t.Errorf("Find(%q) = %v", words, all)
		}
	}
	if all := f.Find("  "); all != nil {
		t.Errorf("of nothing: %v", all)
	}
}

// FuzzContactBodies: whatever comes, it is read or explained.
func FuzzContactBodies(f *testing.F) {
	for _, s := range []string{
		`{"into":"` + exampleContact + `"}`, `{"basis":"opt_in","at":"2026-11-20T14:00:00Z","channel":"sms"}`, `{"confirm":"x"}`, `null`, `[`,
		`{"channel":"viber","address":"+385911234567","scope":"survey","subject":"nps-after-purchase"}`, `{"scope":1,"subject":[[[[[[[[[]]]]]]]]]}`,
	} {
		f.Add(s)
	}
	a := newRig(f).api
	f.Fuzz(func(t *testing.T, src string) {
		if into, err := a.readMerge(src); err == nil && !strings.HasPrefix(into, "con_") {
			t.Errorf("merge into %q", into)
		}
		if r, err := a.readConsent(src); err == nil && r.Basis == "" {
			t.Error("a consent without a basis")
		}
		if err := a.readErase(src, exampleContact); err == nil && !strings.Contains(src, "confirm") && !strings.Contains(src, `\u`) {
			t.Error("erased without a confirmation")
		}
		s, err := a.readSuppression(src, false)
		if err == nil && (s.Address == "" || !slices.Contains(survey.SendChannels(), s.Channel) || s.Subject == "" && s.Scope == survey.ScopeSurvey) {
			t.Errorf("half a suppression: %+v", s)
		}
	})
}
