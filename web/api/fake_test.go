package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

const (
	liveKey   = "odz_live_bootstrap_key_for_tests"
	publicURL = "https://ask.example.hr"
)

// noon is the present of the tests.
var noon = time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)

// A fake keeps everything in memory.
type fake struct {
	mu           sync.Mutex
	sends        map[string]survey.Send
	order        []string
	business     map[string]string
	replays      map[string]Replay
	attempts     map[string][]survey.Attempt
	events       map[string][]survey.Event
	responses    []survey.Response
	keys         []auth.Key
	suppressions []survey.Suppression
	lifts        []survey.Lift
	wakes        int
	fail         error         // what Accept gives
	enter, leave chan struct{} // when set, Accept says that it is in, and waits
	taken        *Replay       // when set, Accept finds that another process has taken the key with this answer
}

func newFake() *fake {
	return &fake{
		sends: map[string]survey.Send{}, business: map[string]string{}, replays: map[string]Replay{},
		attempts: map[string][]survey.Attempt{}, events: map[string][]survey.Event{},
	}
}

func (f *fake) Accept(_ context.Context, sends []survey.Send, idem *Idempotency) ([]Accepted, error) {
	if f.enter != nil {
		f.enter <- struct{}{}
		<-f.leave
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	if f.taken != nil {
		f.replays[idem.Actor+idem.Key] = *f.taken
		return nil, survey.ErrIdempotencyTaken
	}
	done := make([]Accepted, len(sends))
	for i, s := range sends {
		key := string(s.Mode) + s.Survey + "|" + s.Transaction.ID + "|" + s.ContactID
		if id, ok := f.business[key]; ok && s.Transaction.ID != "" {
			done[i] = Accepted{ID: id, Duplicate: true, Send: f.sends[id]}
			continue
		}
		f.business[key], f.sends[s.ID] = s.ID, s
		f.order = append(f.order, s.ID)
		done[i] = Accepted{ID: s.ID, Send: s}
	}
	if idem != nil {
		status, body := idem.Compose(done)
		f.replays[idem.Actor+idem.Key] = Replay{Hash: idem.Hash, Status: status, Body: body, At: noon}
	}
	return done, nil
}

func (f *fake) Replay(_ context.Context, actor, key string, since time.Time) (Replay, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.replays[actor+key]
	return r, ok && !r.At.Before(since), nil
}

func (f *fake) Send(_ context.Context, id string) (survey.Send, []survey.Attempt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sends[id]
	if !ok {
		return s, nil, survey.ErrNotFound
	}
	return s, f.attempts[id], nil
}

func (f *fake) Sends(_ context.Context, q SendFilter) ([]survey.Send, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []survey.Send
	for _, id := range slices.Backward(f.order) {
		s := f.sends[id]
		if s.Mode == q.Mode && (q.Survey == "" || s.Survey == q.Survey) && (q.Status == "" || s.Status == q.Status) &&
			(q.Transaction == "" || s.Transaction.ID == q.Transaction) && (q.Contact == "" || s.ContactID == q.Contact) &&
			(q.Cursor == "" || s.ID < q.Cursor) {
			found = append(found, s)
		}
	}
	if len(found) > q.Limit {
		return found[:q.Limit], found[q.Limit-1].ID, nil
	}
	return found, "", nil
}

func (f *fake) Events(_ context.Context, id, _ string, _ int) ([]survey.Event, string, error) {
	return f.events[id], "", nil
}

func (f *fake) Cancel(_ context.Context, id, _ string) (survey.Send, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sends[id]
	if s.Status.Final() {
		return s, fmt.Errorf("a send that is %s cannot be cancelled: %w", s.Status, survey.ErrConflict)
	}
	s.Status, s.Reason = survey.Cancelled, survey.ReasonCancelled
	f.sends[id] = s
	return s, nil
}

func (f *fake) Responses(_ context.Context, q ResponseFilter) ([]survey.Response, string, error) {
	var found []survey.Response
	for _, r := range f.responses {
		if r.Mode == q.Mode && (q.SendID == "" || r.SendID == q.SendID) && (q.Segment == "" || r.Segment == q.Segment) {
			found = append(found, r)
		}
	}
	return found, "", nil
}

func (f *fake) Response(_ context.Context, id string) (survey.Response, error) {
	for _, r := range f.responses {
		if r.ID == id {
			return r, nil
		}
	}
	return survey.Response{}, survey.ErrNotFound
}

func (f *fake) Keys(context.Context) ([]auth.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.keys), nil
}

func (f *fake) KeyByHash(_ context.Context, hash [32]byte) (auth.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.keys {
		if k.Hash == hash {
			return k, nil
		}
	}
	return auth.Key{}, survey.ErrNotFound
}

func (f *fake) TouchKey(context.Context, string, time.Time) error { return nil }

func (f *fake) CreateKey(_ context.Context, k auth.Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = append(f.keys, k)
	return nil
}

func (f *fake) RevokeKey(_ context.Context, id string, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.keys {
		if f.keys[i].ID == id {
			f.keys[i].RevokedAt = now
		}
	}
	return nil
}

func (f *fake) Suppressions(_ context.Context, mode survey.Mode, _ string, _ int) ([]survey.Suppression, string, error) {
	var found []survey.Suppression
	for _, s := range f.suppressions {
		if s.Mode == mode {
			found = append(found, s)
		}
	}
	return found, "", nil
}

func (f *fake) SuppressAll(_ context.Context, all []survey.Suppression) error {
	f.suppressions = append(f.suppressions, all...)
	return nil
}

func (f *fake) Lift(_ context.Context, l survey.Lift) error {
	before := len(f.suppressions)
	f.suppressions = slices.DeleteFunc(f.suppressions, func(s survey.Suppression) bool {
		return s.Mode == l.Mode && s.Channel == l.Channel && s.Address == l.Address && (l.Scope == "" || s.Scope == l.Scope && s.Subject == l.Subject)
	})
	if len(f.suppressions) == before {
		return survey.ErrNotFound
	}
	f.lifts = append(f.lifts, l)
	return nil
}

// nowhere accepts everything and keeps nothing.
type nowhere struct{ SendStore }

func (nowhere) Accept(_ context.Context, sends []survey.Send, _ *Idempotency) ([]Accepted, error) {
	done := make([]Accepted, len(sends))
	for i, s := range sends {
		done[i] = Accepted{ID: s.ID, Send: s}
	}
	return done, nil
}

// planner sends over the first channel that has an address.
type planner struct{}

func (planner) Plan(s *survey.Send, wish survey.Wish) []survey.FieldError {
	if wish.Steps != nil {
		s.Plan, s.Lane, s.SurveyVersion = wish.Steps, "sms", 1
		return nil
	}
	requested := wish.Channels
	if requested == nil {
		requested = survey.SendChannels()
	}
	for _, ch := range requested {
		if s.Recipient.Address(ch) != "" {
			s.Plan = append(s.Plan, survey.Step{Channel: ch, Sender: string(ch), Success: survey.AttemptDelivered, Wait: time.Hour})
		}
	}
	s.Lane, s.SurveyVersion = s.Plan[0].Sender, 1
	return nil
}

func locales() []string { return []string{"en", "hr", "sr-Latn", "sr-Cyrl", "sl", "pl", "fa"} }

func knownLocale(s string) (string, bool) {
	for _, l := range locales() {
		if strings.EqualFold(l, s) {
			return l, true
		}
	}
	return "", false
}

// A rig is the API on a fake store.
type rig struct {
	*fake
	people *fakePeople
	app    *fiber.App
	api    *API
	log    *bytes.Buffer
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{fake: newFake(), people: newFakePeople(), log: new(bytes.Buffer)}
	now := func() time.Time { return noon }
	keys, err := auth.NewKeys(r.fake, liveKey, now)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		PublicURL: publicURL, Now: now, IDs: new(survey.IDSource), Auth: keys,
		Sends: r.fake, Cancel: r.fake, Responses: r.fake, Keys: r.fake, Suppressions: r.fake, Contacts: r.people, Eraser: r.people,
		Planner: planner{}, Surveys: survey.Builtin(), Locale: knownLocale, Locales: locales(),
		Senders: []Sender{{"sms", survey.SMS, "twilio"}, {"phone", survey.SMS, "sandbox"}},
		Ops:     new(opsFake).ops(),
		Wake:    func() { r.mu.Lock(); defer r.mu.Unlock(); r.wakes++ },
	}
	for _, f := range change {
		f(&cfg)
	}
	if r.api, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	r.app = web.New(web.Config{PublicURL: publicURL, Log: slog.New(slog.NewTextHandler(r.log, nil)), Now: now})
	r.api.Mount(r.app)
	return r
}

// key makes a stored key.
func (r *rig) key(t testing.TB, mode survey.Mode, scopes ...string) string {
	t.Helper()
	k, secret, err := auth.NewKey(r.api.cfg.IDs.New(survey.KeyPrefix, noon), "test", mode, scopes, "test", noon)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.CreateKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	return secret
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) problem(t testing.TB) web.Problem {
	t.Helper()
	var p web.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("not a problem: %v\n%s", err, a.body)
	}
	return p
}

// call makes a request with the bootstrap key; headers are pairs, and "" takes one away.
func (r *rig) call(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+liveKey)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 1; i < len(headers); i += 2 {
		if req.Header.Del(headers[i-1]); headers[i] != "" {
			req.Header.Set(headers[i-1], headers[i])
		}
	}
	res, err := r.app.Test(req, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(read)}
}
