package console_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
	"github.com/odziv/odziv/web/console"
)

// What the fake knows.
const (
	goodEmail    = "iva@lipa.example"
	goodPassword = "correct horse battery"
	goodToken    = "token-of-iva"
	goodCSRF     = "csrf-of-iva"
	nps          = "nps-after-purchase"
)

// A fake is everything that the console stands on, in memory.
type fake struct {
	mu       sync.Mutex
	users    int
	signedIn map[string]bool
	releases map[string][]survey.Release // oldest first
	drafts   map[string][]survey.Text
	tests    []testSend
	sends    []survey.Send
	ops      opsFake
	now      time.Time
	race     func() // runs once at the beginning of Publish
}

type testSend struct {
	text      survey.Text
	to, actor string
}

func newFake(t testing.TB) (*fake, *templates.Renderer) {
	t.Helper()
	packs, err := templates.LoadPacks()
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{
		users: 1, signedIn: map[string]bool{goodToken: true}, releases: map[string][]survey.Release{},
		drafts: map[string][]survey.Text{}, now: time.Date(2026, 11, 21, 14, 32, 0, 0, time.UTC),
	}
	for _, r := range templates.BuiltinReleases(packs, survey.Builtin()) {
		r.At = f.now.Add(-72 * time.Hour)
		f.releases[r.Survey] = []survey.Release{r}
	}
	return f, templates.NewRenderer(f, packs, map[string]templates.Brand{"": {Name: "Lipa", Address: "Lipa d.o.o., Ilica 12, Zagreb"}})
}

// newConsole gives an app with a console on a fake.
func newConsole(t testing.TB, change ...func(*console.Deps)) (*fiber.App, *fake) {
	t.Helper()
	f, renderer := newFake(t)
	deps := console.Deps{
		Users: f, Releases: f, Drafts: f, Sends: f, Ops: f.ops.ops(), People: newFakePeople(f.now), Suppressions: &fakeStops{now: f.now}, Renderer: renderer, TestSend: f.TestSend,
		Surveys: survey.Builtin(), PublicURL: "http://127.0.0.1:8080", Log: slog.New(slog.DiscardHandler), Now: f.Now,
	}
	for _, c := range change {
		c(&deps)
	}
	c, err := console.New(deps)
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true})
	c.Register(app)
	return app, f
}

func (f *fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fake) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *fake) SignIn(_ context.Context, email, password string) (string, error) {
	if email != goodEmail || password != goodPassword {
		return "", survey.ErrNotFound
	}
	return goodToken, nil
}

func (f *fake) Session(_ context.Context, token string) (console.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.signedIn[token] {
		return console.Session{}, survey.ErrNotFound
	}
	return console.Session{UserID: "usr_1", Name: "Iva Horvat", CSRF: goodCSRF}, nil
}

func (f *fake) SignOut(_ context.Context, token string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.signedIn, token)
	return nil
}

func (f *fake) CountUsers(context.Context) (int, error) { return f.users, nil }

func (f *fake) Actor(_ context.Context, id string) string {
	switch id {
	case "usr_1":
		return "Iva Horvat"
	case "usr_2":
		return "Marko Radić"
	default:
		return id
	}
}

func (f *fake) CurrentVersions(context.Context) (map[string]int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]int{}
	for id, list := range f.releases {
		out[id] = len(list)
	}
	return out, nil
}

func (f *fake) Release(_ context.Context, id string, version int) (survey.Release, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if version < 1 || version > len(f.releases[id]) {
		return survey.Release{}, survey.ErrNotFound
	}
	return f.releases[id][version-1], nil
}

func (f *fake) Releases(_ context.Context, id string) ([]survey.Release, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.Clone(f.releases[id])
	slices.Reverse(out)
	return out, nil
}

func (f *fake) Publish(_ context.Context, id string, base int, texts []survey.Text, actor, note string) (survey.Release, error) {
	if f.race != nil {
		race := f.race
		f.race = nil
		race()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if base != len(f.releases[id]) {
		return survey.Release{}, survey.ErrConflict
	}
	r := survey.Release{Survey: id, Version: base + 1, Texts: texts, Actor: actor, Note: note, At: f.now}
	f.releases[id] = append(f.releases[id], r)
	delete(f.drafts, id)
	return r, nil
}

func (f *fake) Drafts(_ context.Context, id string) ([]survey.Text, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.drafts[id]), nil
}

func (f *fake) SaveDraft(_ context.Context, id string, t survey.Text, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drafts[id] = append(slices.DeleteFunc(f.drafts[id], same(t.Kind, t.Channel, t.Locale)), t)
	return nil
}

func (f *fake) DropDraft(_ context.Context, id string, k survey.Kind, c survey.Channel, locale string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drafts[id] = slices.DeleteFunc(f.drafts[id], same(k, c, locale))
	return nil
}

func same(k survey.Kind, c survey.Channel, locale string) func(survey.Text) bool {
	return func(t survey.Text) bool { return t.Kind == k && t.Channel == c && t.Locale == locale }
}

// draft is the draft of a place, if there is one.
func (f *fake) draft(k survey.Kind, c survey.Channel, locale string) (survey.Text, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.drafts[nps], same(k, c, locale))
	if i < 0 {
		return survey.Text{}, false
	}
	return f.drafts[nps][i], true
}

// live is the published text of a place.
func (f *fake) live(k survey.Kind, c survey.Channel, locale string) survey.Text {
	f.mu.Lock()
	defer f.mu.Unlock()
	texts := f.releases[nps][len(f.releases[nps])-1].Texts
	if i := slices.IndexFunc(texts, same(k, c, locale)); i >= 0 {
		return texts[i]
	}
	return survey.Text{}
}

func (f *fake) TestSend(_ context.Context, _ survey.Survey, t survey.Text, to, actor string) (string, error) {
	if to == "nobody" {
		return "", survey.InvalidError{{Pointer: "/to", Code: "invalid_phone", Detail: "nobody is not a phone number"}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tests = append(f.tests, testSend{t, to, actor})
	return "/sandbox?to=" + to, nil
}

func (f *fake) Recent(context.Context, int) ([]survey.Send, error) { return f.sends, nil }

func (f *fake) Send(_ context.Context, id string) (survey.Send, []survey.Attempt, error) {
	for _, s := range f.sends {
		if s.ID == id {
			return s, []survey.Attempt{{
				ID: "att_1", SendID: id, Kind: survey.Invitation, Channel: survey.SMS, Sender: "phone",
				Status: survey.AttemptDelivered, ProviderID: "SM1", Segments: 1, At: f.now,
			}}, nil
		}
	}
	return survey.Send{}, nil, fmt.Errorf("send: %w", survey.ErrNotFound)
}

func (f *fake) Events(_ context.Context, id, _ string, _ int) ([]survey.Event, string, error) {
	event := func(kind string, after time.Duration, data map[string]any) survey.Event {
		return survey.Event{ID: "evt_" + kind, SendID: id, Type: kind, At: f.now.Add(after), Data: data}
	}
	return []survey.Event{ // newest first
		event("send.completed", 90*time.Second, nil),
		event("answer.recorded", 89*time.Second, map[string]any{"question": "score", "value": 9}),
		event("attempt.delivered", 2*time.Second, map[string]any{"attempt": "att_1"}),
		event("attempt.claimed", time.Second, map[string]any{
			"attempt": "att_1", "channel": "sms", "decision": map[string]any{"version": 1.0, "verdict": "go", "rules": []any{
				map[string]any{"rule": "suppression", "fired": false},
				map[string]any{"rule": "window", "fired": true, "waived": true, "saw": map[string]any{"local": "23:30"}},
			}},
		}),
		event("send.accepted", 0, map[string]any{"survey": nps}),
	}, "", nil
}

// addSends gives the fake something to list.
func (f *fake) addSends() {
	for i, x := range []struct {
		name, phone string
		status      survey.Status
		reason      survey.Reason
		locale      string
	}{
		{"Ana Kovačević", "+385915550142", survey.Completed, "", "hr"},
		{"Nejc Zupančič", "+38641555019", survey.Delivered, "", "sl"},
		{"Јелена Петровић", "+381645550117", survey.Answered, "", "sr-Cyrl"},
		{"Katarzyna Wiśniewska", "+48555010233", survey.Suppressed, survey.ReasonOptedOut, "pl"},
		{"نگار رستمی", "+989125550148", survey.Scheduled, survey.ReasonWindow, "fa"},
		{"<b>Marta</b>", "+385985550177", survey.Failed, survey.ReasonProviderRejected, "hr"},
	} {
		f.sends = append(f.sends, survey.Send{
			ID: fmt.Sprintf("snd_%d", i), Mode: survey.Test, Survey: nps, SurveyVersion: 1, Locale: x.locale,
			Recipient:   survey.Recipient{Name: x.name, Phone: x.phone},
			Transaction: survey.Transaction{ID: fmt.Sprintf("order-%d", 10023-i), Touchpoint: "delivery"},
			Status:      x.status, Reason: x.reason, UpdatedAt: f.now.Add(-time.Duration(i) * time.Minute),
		})
	}
}
