package respond_test

import (
	"context"
	"flag"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/respond"
)

var preview = flag.String("preview", "", "serve fake customers at this address until the test is ended, as 127.0.0.1:7070")

var now = time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)

// texts are the words of a locale file that these tests need.
type texts struct {
	Locale, Name, Dir, Digits string
	Page                      map[string]string
	Surveys                   map[string][]survey.Text
}

// newLocales reads the locales of the program.
func newLocales(t testing.TB) (locales []respond.Locale, all map[string]texts) {
	t.Helper()
	dir := os.DirFS("../../templates/builtin")
	names, err := fs.Glob(dir, "*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no locales: %v", err)
	}
	all = map[string]texts{}
	for _, name := range names {
		raw, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		var x texts
		if err := yaml.Unmarshal(raw, &x); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[x.Locale] = x
		locales = append(locales, respond.Locale{ID: x.Locale, Name: x.Name, Dir: x.Dir, Digits: x.Digits, Words: x.Page})
	}
	slices.SortFunc(locales, func(a, b respond.Locale) int { // English is the first, the rest stay
		return strings.Compare(strings.Replace(a.ID, "en", " ", 1), strings.Replace(b.ID, "en", " ", 1))
	})
	return locales, all
}

// fake holds sends by token; a token is the purpose, a dash and the send's id.
type fake struct {
	texts map[string]texts

	mu      sync.Mutex
	views   map[string]respond.View // guarded by mu
	writes  int                     // guarded by mu
	answers []respond.Answer        // guarded by mu
	gone    []string                // guarded by mu: unsubscribes, as source and scope
	fail    error                   // guarded by mu: what View and writes answer
}

func (f *fake) Open(purpose, token string) (string, bool) {
	id, ok := strings.CutPrefix(token, purpose+"-")
	return id, ok && id != ""
}

func (f *fake) View(_ context.Context, id, locale string) (respond.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.views[id]
	if !ok {
		return respond.View{}, survey.ErrNotFound
	}
	if f.fail != nil {
		return respond.View{}, f.fail
	}
	if locale != "" {
		v.Locale = locale
	}
	v.Followup, v.Thanks = map[survey.Segment]string{}, map[survey.Segment]string{}
	for _, x := range f.texts[v.Locale].Surveys[v.Survey.ID] {
		switch x.Kind {
		case survey.Question:
			v.Question = x.Text
		case survey.ScaleLow:
			v.Low = x.Text
		case survey.ScaleHigh:
			v.High = x.Text
		default:
			if s, ok := strings.CutPrefix(string(x.Kind), "followup."); ok {
				v.Followup[survey.Segment(s)] = x.Text
			}
			if s, ok := strings.CutPrefix(string(x.Kind), "thanks."); ok {
				v.Thanks[survey.Segment(s)] = x.Text
			}
		}
	}
	return v, nil
}

func (f *fake) Answer(_ context.Context, id string, answers ...respond.Answer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if f.fail != nil {
		return f.fail
	}
	v := f.views[id]
	for _, a := range answers {
		if a.Question == survey.QuestionScore {
			v.Score = a.Value
		} else {
			v.Comment, v.Complete = a.Text, true
		}
	}
	f.views[id] = v
	f.answers = append(f.answers, answers...)
	return nil
}

func (f *fake) Unsubscribe(_ context.Context, id, source string, all bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	scope := " one"
	if all {
		scope = " all"
	}
	f.gone = append(f.gone, source+scope)
	v := f.views[id]
	v.Unsubscribed = v.Unsubscribed || all
	f.views[id] = v
	return nil
}

// newFake has a send of every state: its id is the state.
func newFake(t testing.TB) (*fake, *fiber.App) {
	t.Helper()
	locales, all := newLocales(t)
	f := &fake{texts: all, views: map[string]respond.View{}}
	ids := make([]string, 0, len(locales))
	for _, l := range locales {
		ids = append(ids, l.ID)
	}
	builtin := survey.Builtin()
	score := func(n int) *int { return &n }
	add := func(id, locale string, s survey.Survey, change func(*respond.View)) {
		v := respond.View{
			SendID: id, Brand: respond.Brand{Name: "Lipa", Color: "#1f6f5c"}, Locale: locale, Locales: ids, Survey: s,
			AskedAt: now.AddDate(0, 0, -1), ExpiresAt: now.AddDate(0, 0, 6), PagePath: "/s/s-" + id, UnsubscribeURL: "/u/u-" + id,
		}
		if change != nil {
			change(&v)
		}
		f.views[id] = v
	}
	nps := builtin[0]
	add("new", "hr", nps, nil)
	add("csat", "hr", builtin[1], nil)
	add("ces", "hr", builtin[2], nil)
	add("scored", "hr", nps, func(v *respond.View) { v.Score = score(3) })
	add("done", "hr", nps, func(v *respond.View) { v.Score, v.Comment, v.Complete = score(9), "Brzo i uredno.", true })
	add("late", "hr", nps, func(v *respond.View) { v.ExpiresAt = now.Add(-time.Second) })
	add("late-done", "hr", nps, func(v *respond.View) {
		v.ExpiresAt, v.Score, v.Complete = now.Add(-time.Second), score(9), true
	})
	add("closed", "hr", nps, func(v *respond.View) { v.Closed = true })
	add("left", "hr", nps, func(v *respond.View) { v.Unsubscribed = true })
	add("fa", "fa", nps, func(v *respond.View) { v.Brand = respond.Brand{Name: "خانهٔ ترمه", Color: "#8a2f4b"} })
	add("fa-scored", "fa", nps, func(v *respond.View) {
		v.Brand, v.Score = respond.Brand{Name: "خانهٔ ترمه", Color: "#8a2f4b"}, score(10)
	})
	add("cyr", "sr-Cyrl", nps, func(v *respond.View) { v.Brand = respond.Brand{Name: "Дуња", Color: "#2f4fa8"} })
	add("bold", "en", nps, func(v *respond.View) {
		v.Brand = respond.Brand{Name: "A very long name of a shop & sons, since 1889", Color: "#ffd400"}
	})
	add("evil", "en", nps, func(v *respond.View) {
		v.Brand = respond.Brand{Name: `<script>alert(1)</script>`, Color: `#fff;}</style>`}
		v.Score, v.Comment = score(2), `</textarea><script>alert(2)</script>`
	})
	app := fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true})
	err := respond.Mount(app, respond.Deps{
		Tokens: f, Sends: f, Locales: locales, Brand: respond.Brand{Name: "Lipa"},
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, app
}

// TestPreview serves the fakes for people to look at: go test -run TestPreview -preview 127.0.0.1:7070.
func TestPreview(t *testing.T) {
	t.Parallel()
	if *preview == "" {
		return
	}
	_, app := newFake(t)
	ln, err := net.Listen("tcp", *preview)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Listener(ln); err != nil {
		t.Fatal(err)
	}
}

// answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func do(t testing.TB, app *fiber.App, method, path, contentType, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := app.Test(r, -1)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(raw)}
}

func get(t testing.TB, app *fiber.App, path string, header ...string) answer {
	t.Helper()
	return do(t, app, http.MethodGet, path, "", "", header...)
}

func post(t testing.TB, app *fiber.App, path, form string) answer {
	t.Helper()
	return do(t, app, http.MethodPost, path, "application/x-www-form-urlencoded", form)
}
