package sandbox_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	phone "github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/sandbox"
)

var preview = flag.String("preview", "", "serve fake phones at this address until the test is ended, as 127.0.0.1:7071")

var now = time.Date(2026, 11, 21, 17, 3, 0, 0, time.UTC)

// fake is a box of phones in memory.
type fake struct {
	mu       sync.Mutex
	messages []phone.Message      // guarded by mu, oldest first
	log      []sandbox.Understood // guarded by mu, newest first
	sent     []sandbox.SendForm   // guarded by mu
	replies  []string             // guarded by mu: id, text and button
	fail     error                // guarded by mu: what SendNow answers
}

func (f *fake) Phones(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	seen := map[string]bool{}
	for _, m := range slices.Backward(f.messages) {
		if to := m.To; !seen[to] {
			seen[to] = true
			out = append(out, to)
		}
	}
	return out, nil
}

func (f *fake) Messages(_ context.Context, to, after string, limit int) ([]phone.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []phone.Message
	for _, m := range f.messages {
		if (to == "" || m.To == to) && m.ID > after && len(out) < limit {
			out = append(out, m)
		}
	}
	return out, nil
}

func (f *fake) Message(_ context.Context, id string) (phone.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.ID == id {
			return m, nil
		}
	}
	return phone.Message{}, fmt.Errorf("message: %w", survey.ErrNotFound)
}

func (f *fake) Reply(_ context.Context, m phone.Message, text string, button int) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replies = append(f.replies, fmt.Sprintf("%s %q %d", m.ID, text, button))
	if button >= 0 {
		text = m.Buttons[button].Text
	}
	id := fmt.Sprintf("msg_%04d", len(f.messages))
	f.messages = append(f.messages, phone.Message{ID: id, Channel: m.Channel, To: m.To, Text: text, At: now, Inbound: true})
	f.log = append([]sandbox.Understood{{At: now, Channel: m.Channel, Said: text, Result: "comment", Why: "typed on a phone"}}, f.log...)
	return id, nil
}

func (f *fake) SendNow(_ context.Context, s sandbox.SendForm) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return "", f.fail
	}
	f.sent = append(f.sent, s)
	f.put(s.Channels[0], s.Phone+s.Email, s.Locale, s.Locale == "fa", "Lipa", s.Name+": 0–10?", "", nil, nil, now)
	return "snd_01K9ZC4V", nil
}

func (f *fake) Log(_ context.Context, to string, limit int) ([]sandbox.Understood, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []sandbox.Understood
	for _, u := range f.log {
		own := slices.ContainsFunc(f.messages, func(m phone.Message) bool { return m.Inbound && m.To == to && m.Text == u.Said })
		if (to == "" || own) && len(out) < limit {
			out = append(out, u)
		}
	}
	return out, nil
}

// put adds a message; subject and HTML are of mails.
func (f *fake) put(ch survey.Channel, to, locale string, rtl bool, subject, text, html string, buttons []survey.Button, links []string, at time.Time) {
	m := phone.Message{
		ID: fmt.Sprintf("msg_%04d", len(f.messages)), SendID: "snd_1", Channel: ch, Sender: "phone", To: to, Text: text, HTML: html,
		Buttons: buttons, Links: links, Locale: locale, RTL: rtl, At: at,
	}
	if ch == survey.Email {
		m.Subject = subject
	}
	f.messages = append(f.messages, m)
}

func (f *fake) said(ch survey.Channel, to, text string, at time.Time) {
	f.messages = append(f.messages, phone.Message{ID: fmt.Sprintf("msg_%04d", len(f.messages)), Channel: ch, To: to, Text: text, At: at, Inbound: true})
}

const mail = `<!doctype html><html lang="fa" dir="rtl"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>x</title></head><body style="margin:0;padding:16px;font:16px/1.75 sans-serif"><h2 style="font-size:19px">چقدر احتمال دارد ما را به دوستانتان پیشنهاد کنید؟</h2><p><a href="http://127.0.0.1:7171/s/s-fa?score=9">۹</a> <a href="http://127.0.0.1:7171/s/s-fa?score=10">۱۰</a></p><script>document.body.textContent="ran"</script><img src="https://example.invalid/pixel.png" alt="img"><p>سفارش ۱۰۰۲۳</p></body></html>`

func keyboard() []survey.Button {
	var out []survey.Button
	for i := range 11 {
		out = append(out, survey.Button{Text: fmt.Sprint(i), Payload: fmt.Sprint(i)})
	}
	return append(out, survey.Button{Text: "Не желим више анкете", Payload: "stop"})
}

// fill adds the conversations of the pictures.
func (f *fake) fill() {
	ana, jelena, sara := "+385911234567", "+381645550110", "sara@example.ir"
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	score := func(n int) *int { return &n }
	f.put(survey.SMS, "+989121234567", "fa", true, "", "سارا، خرید از خانهٔ ترمه چطور بود؟ از ۰ تا ۱۰ نمره بدهید. http://127.0.0.1:7171/s/s-fa", "", nil, []string{"http://127.0.0.1:7171/s/s-fa"}, at(-900))
	f.said(survey.SMS, "+989121234567", "۹", at(-890))
	f.put(survey.SMS, ana, "hr", false, "", "Ana, ovdje Lipa. Koliko je vjerojatno da biste nas preporucili, od 0 do 10? Odgovorite brojem ili ovdje: http://127.0.0.1:7171/s/s-new STOP za odjavu.", "", nil, []string{"http://127.0.0.1:7171/s/s-new"}, at(-100))
	f.said(survey.SMS, ana, "devet", at(-90))
	f.put(survey.SMS, ana, "hr", false, "", "Hvala! Sto je najvise utjecalo na ocjenu 9? Dovoljna je jedna recenica.", "", nil, nil, at(-89))
	f.said(survey.SMS, ana, "dostava je stigla dan ranije!", at(-70))
	f.put(survey.SMS, ana, "hr", false, "", "Hvala, Ana. Prenijet cemo ekipi u skladistu.", "", nil, nil, at(-69))
	f.put(survey.Email, sara, "fa", true, "سارا، تحویل سفارش چطور بود؟", "متن", mail, nil, nil, at(-60))
	f.put(survey.Viber, jelena, "sr-Cyrl", false, "", "Јелена, колико је вероватно да бисте нас препоручили пријатељима? 0 = нимало, 10 = веома", "", keyboard(), nil, at(-40))
	f.log = []sandbox.Understood{
		{At: at(-5), Channel: survey.Email, Said: "۶ چون دیر رسید", Score: score(6), Segment: survey.Detractor, Result: "comment", Why: "Persian digit; the rest became the comment"},
		{At: at(-90), Channel: survey.SMS, Said: "devet", Score: score(9), Segment: survey.Promoter, Why: "number word in Croatian"},
		{At: at(-120), Channel: survey.SMS, Said: "10 minuta sam čekao", Result: "asked once", Why: "a number, but not surely a score"},
		{At: at(-160), Channel: survey.SMS, Said: "osam, al kasnilo je", Score: score(8), Segment: survey.Passive, Result: "comment", Why: "number word in Croatian"},
		{At: at(-190), Channel: survey.SMS, Said: "STOP", Result: "unsubscribed", Why: "confirmed once, wins over every rule"},
	}
}

func newFake(t testing.TB) (*fake, *fiber.App) {
	t.Helper()
	f := &fake{}
	app := fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true, ErrorHandler: answer})
	err := sandbox.Mount(app, sandbox.Deps{
		Box: f, Surveys: survey.Builtin(), Brand: "Lipa", PublicURL: "http://127.0.0.1:8080", Key: "odz_test_4fJ7w2Kp9sXq", Magic: phone.Magic(),
		Landing: &sandbox.Landing{Parts: []sandbox.Part{
			{Name: "API and webhooks", Where: "127.0.0.1:8080"},
			{Name: "Workers", Where: "in this process, 0 waiting"},
			{Name: "Store", Where: "SQLite in ./data"},
			{Name: "Queue engine", Where: "in-process Redis", State: "starting"},
		}},
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, app
}

// answer does what the real error handler does with the errors of this package.
func answer(c *fiber.Ctx, err error) error {
	var (
		invalid survey.InvalidError
		known   *fiber.Error
	)
	status, code := http.StatusInternalServerError, "internal_error"
	switch {
	case errors.As(err, &invalid):
		status, code = http.StatusUnprocessableEntity, invalid[0].Code
		if code == "invalid_json" {
			status = http.StatusBadRequest
		}
	case errors.As(err, &known):
		status, code = known.Code, strings.ToLower(known.Message)
	case errors.Is(err, survey.ErrNotFound):
		status, code = http.StatusNotFound, "not_found"
	}
	return c.Status(status).JSON(map[string]any{"status": status, "code": code, "detail": err.Error(), "errors": invalid})
}

// TestPreview serves the fakes for people to look at: go test -run TestPreview -preview 127.0.0.1:7071. The page at
// /sandbox is full; -preview with «empty:» before it starts without messages.
func TestPreview(t *testing.T) {
	t.Parallel()
	if *preview == "" {
		return
	}
	f, app := newFake(t)
	at, empty := strings.CutPrefix(*preview, "empty:")
	if !empty {
		f.fill()
	}
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Listener(ln); err != nil {
		t.Fatal(err)
	}
}
