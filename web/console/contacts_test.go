package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/console"
)

const (
	anaID    = "con_01KAH3Q9V2J8T5N4E6R7W0XYZB"
	negarID  = "con_01KAH3Q9V2J8T5N4E6R7W0XYZC"
	anaPhone = "+385915550142"
)

// fakePeople are a customer with a long history and one with a name that is written from right to left.
type fakePeople struct {
	all    []survey.Person
	merged []string
	erased []string
}

func newFakePeople(now time.Time) *fakePeople {
	send := func(id string, status survey.Status, reason survey.Reason, days int) survey.Send {
		return survey.Send{
			ID: id, Survey: nps, Status: status, Reason: reason, CreatedAt: now.AddDate(0, 0, -days), Transaction: survey.Transaction{ID: "order-" + id},
		}
	}
	return &fakePeople{all: []survey.Person{{
		Contact: survey.Contact{
			ID: anaID, Mode: survey.Live, Name: "Ana <b>Kovačević</b>", CreatedAt: now.AddDate(-1, 0, 0), UpdatedAt: now, Merged: []string{negarID},
			Identities: []survey.Identity{{Kind: survey.ByExternalID, Value: "c-1881"}, {Kind: survey.ByEmail, Value: "ana@example.hr"}, {Kind: survey.ByPhone, Value: anaPhone}},
		},
		Consents: []survey.ConsentRecord{
			{Basis: survey.BasisWithdrawn, Source: "support call", At: now, Actor: "usr_1", Channel: survey.Email, RecordedAt: now},
			{Basis: "existing_customer", Source: "checkout", At: now.AddDate(0, -2, 0), Actor: "key_1", RecordedAt: now},
		},
		Suppressions: []survey.Suppression{{Channel: survey.Email, Address: "ana@example.hr", Scope: survey.ScopeChannel, Reason: "withdrawn", Source: "usr_1", At: now}},
		Sends: []survey.Reached{
			{Send: send("snd_a", survey.Completed, "", 3), Channel: survey.SMS, Response: &survey.Response{Score: 9, Segment: survey.Promoter}},
			{Send: send("snd_b", survey.Completed, "", 90), Channel: survey.Viber, Response: &survey.Response{Score: 3, Segment: survey.Detractor}},
			{Send: send("snd_c", survey.Suppressed, survey.ReasonCooldown, 100)},
		},
		Events: []survey.ContactEvent{{Type: survey.ContactMerged, Actor: "key_1", At: now, Data: map[string]any{"from": negarID, "by": "phone"}}},
	}, {
		Contact: survey.Contact{
			ID: negarID, Mode: survey.Test, Name: "نگار رستمی", CreatedAt: now, UpdatedAt: now,
			Identities: []survey.Identity{{Kind: survey.ByPhone, Value: "+989125550148"}},
		},
	}}}
}

func (f *fakePeople) Find(_ context.Context, words, _ string) ([]survey.Contact, string, error) {
	var found []survey.Contact
	for _, p := range f.all {
		match := words == ""
		for _, x := range p.Identities {
			match = match || x.Value == words
		}
		if match {
			found = append(found, p.Contact)
		}
	}
	return found, "", nil
}

func (f *fakePeople) Person(_ context.Context, id string) (survey.Person, error) {
	for _, p := range f.all {
		if p.ID == id {
			return p, nil
		}
	}
	return survey.Person{}, survey.ErrNotFound
}

func (f *fakePeople) Merge(ctx context.Context, id, into, actor string) error {
	if _, err := f.Person(ctx, into); err != nil {
		return err
	}
	f.merged = append(f.merged, id+">"+into+" "+actor)
	return nil
}

func (f *fakePeople) Export(_ context.Context, id string) ([]byte, error) {
	return []byte(`{"id":"` + id + `"}`), nil
}

func (f *fakePeople) Erase(_ context.Context, id, actor string) (survey.Erasure, error) {
	f.erased = append(f.erased, id+" "+actor)
	return survey.Erasure{}, nil
}

// fakeStops is a list of suppressions.
type fakeStops struct {
	now    time.Time
	added  []survey.Suppression
	lifted []string
}

func (f *fakeStops) List(_ context.Context, mode survey.Mode, words, _ string) ([]survey.Suppression, string, error) {
	if mode == survey.Test || words != "" && words != anaPhone {
		return nil, "", nil
	}
	return []survey.Suppression{
		{Mode: mode, Channel: survey.SMS, Address: anaPhone, Scope: survey.ScopeAll, Reason: "stop_keyword", Source: "sms", At: f.now},
		{Mode: mode, Channel: survey.Email, Address: "ana@example.hr", Scope: survey.ScopeSurvey, Subject: nps, Reason: "manual", Source: "usr_1", At: f.now},
		{Mode: mode, Channel: survey.SMS, Address: "hmac:00112233445566778899aabbccddeeff", Scope: survey.ScopeAll, Reason: "stop_keyword", Source: "sms", At: f.now},
	}, "more", nil
}

func (f *fakeStops) Add(_ context.Context, s survey.Suppression) error {
	if s.Address == "nobody" {
		return survey.InvalidError{{Detail: "is no phone number"}}
	}
	f.added = append(f.added, s)
	return nil
}

func (f *fakeStops) Lift(_ context.Context, l survey.Lift) error {
	f.lifted = append(f.lifted, l.Address+" "+l.Scope+" "+l.Actor+" "+l.Why)
	return nil
}

func TestContacts(t *testing.T) {
	t.Parallel()
	app, _ := newConsole(t)
	for _, x := range []struct {
		path  string
		holds []string
		lacks []string
	}{
		{"/console/contacts", []string{"Ana &lt;b&gt;", "<bdi>نگار رستمی</bdi>", anaID}, []string{"Earlier ones"}},
		{"/console/contacts?q=" + url.QueryEscape(anaPhone), []string{anaID}, []string{negarID}},
		{"/console/contacts?q=nobody", []string{"Nobody is known by that."}, []string{"<table"}},
		{"/console/contacts/" + anaID, []string{"c-1881", "ana@example.hr", "support call", "Iva Horvat", "score--p", "score--d", "Cooldown", "/export", "con_01KAH3Q9V2J8T5N4E6R7W0XYZC"}, nil},
		{"/console/contacts/" + negarID, []string{"Nothing was asked yet.", "None is recorded.", "Every address may be written to."}, nil},
		{"/console/suppressions", []string{anaPhone[1:], "NPS after a purchase", "Erased person", "Everything", "cursor=more"}, nil},
		{"/console/suppressions?mode=test", []string{"No address is suppressed.", `href="/console/suppressions?mode=live">See more than 3 under live`}, nil},
		{"/console/suppressions?q=x", []string{"Nothing stops writing there."}, []string{"See the", "See more"}},
		{"/console/suppressions?mode=test&q=" + url.QueryEscape(anaPhone), []string{"Nothing stops writing there.", `&amp;q=%2B`, "under live"}, nil},
	} {
		got := get(t, app, x.path)
		if got.status != http.StatusOK {
			t.Errorf("%s: %d", x.path, got.status)
		}
		for _, h := range x.holds {
			if !strings.Contains(strings.ToLower(got.body), strings.ToLower(h)) {
				t.Errorf("%s lacks %s", x.path, h)
			}
		}
		for _, l := range x.lacks {
			if strings.Contains(got.body, l) {
				t.Errorf("%s has %s", x.path, l)
			}
		}
	}
	if got := get(t, app, "/console/contacts/con_x"); got.status != http.StatusNotFound {
		t.Errorf("nobody: %d", got.status)
	}
}

func TestContactForms(t *testing.T) {
	t.Parallel()
	people, stops := newFakePeople(time.Now()), &fakeStops{}
	app, _ := newConsole(t, func(d *console.Deps) { d.People, d.Suppressions = people, stops })
	for _, x := range []struct {
		name, path string
		form       url.Values
		status     int
	}{
		{"merge with nobody", "/contacts/" + anaID + "/merge", url.Values{"into": {"con_01KAH3Q9V2J8T5N4E6R7W0XYZD"}}, 422},
		{"merge with nonsense", "/contacts/" + anaID + "/merge", url.Values{"into": {"x"}}, 422},
		{"merge", "/contacts/" + anaID + "/merge", url.Values{"into": {negarID}}, 303},
		{"erase without the word", "/contacts/" + anaID + "/erase", url.Values{"confirm": {"yes"}}, 422},
		{"erase", "/contacts/" + anaID + "/erase", url.Values{"confirm": {"erase"}}, 303},
		{"add nobody", "/suppressions", url.Values{"channel": {"sms"}, "address": {"nobody"}, "scope": {"all"}}, 422},
		{"add for no survey", "/suppressions", url.Values{"channel": {"sms"}, "address": {anaPhone}, "scope": {"survey:x"}}, 422},
		{"add", "/suppressions", url.Values{"channel": {"sms"}, "address": {anaPhone}, "scope": {"survey:" + nps}, "mode": {"test"}}, 303},
		{"lift without a reason", "/suppressions/lift", url.Values{"channel": {"sms"}, "address": {anaPhone}, "scope": {"all"}}, 422},
		{"lift", "/suppressions/lift", url.Values{"channel": {"sms"}, "address": {anaPhone}, "scope": {"all"}, "why": {"asked for it"}}, 303},
	} {
		if got := do(t, app, request{path: "/console" + x.path, form: x.form, cookie: goodToken}); got.status != http.StatusForbidden {
			t.Errorf("%s without a token: %d", x.name, got.status)
		}
		x.form.Set("csrf", goodCSRF)
		if got := do(t, app, request{path: "/console" + x.path, form: x.form, cookie: goodToken}); got.status != x.status {
			t.Errorf("%s: %d", x.name, got.status)
		}
	}
	if diff := cmp.Diff([]string{anaID + ">" + negarID + " usr_1"}, people.merged); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{anaID + " usr_1"}, people.erased); diff != "" {
		t.Error(diff)
	}
	if len(stops.added) != 1 || stops.added[0].Scope != survey.ScopeSurvey || stops.added[0].Subject != nps || stops.added[0].Mode != survey.Test || stops.added[0].Source != "usr_1" {
		t.Errorf("added %+v", stops.added)
	}
	if diff := cmp.Diff([]string{anaPhone + " all usr_1 asked for it"}, stops.lifted); diff != "" {
		t.Error(diff)
	}
	if got := get(t, app, "/console/contacts/"+anaID+"/export"); got.status != 200 || got.header.Get("Content-Disposition") == "" || !strings.Contains(got.body, anaID) {
		t.Errorf("export: %d %s", got.status, got.body)
	}
}
