package dispatch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/dispatch"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// noon is a Friday of winter: 13:00 in Zagreb.
func noon() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }

const phone = "+385911234567"

// A clock moves only when a test moves it. The nil clock is the real one.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	if c == nil {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) advance(d time.Duration) { c.set(c.Now().Add(d)) }

// A driver plays a provider.
type driver struct {
	mu  sync.Mutex
	got []delivery // guarded by mu
	// say answers the n-th message, from 0; nil takes all under the provider id «p-» and the attempt's.
	say func(ctx context.Context, n int, m channels.Message) (channels.Receipt, error)
}

type delivery struct {
	channels.Message
	at time.Time
}

func (d *driver) Send(ctx context.Context, m channels.Message) (channels.Receipt, error) {
	d.mu.Lock()
	n := len(d.got)
	d.got = append(d.got, delivery{m, time.Now()})
	d.mu.Unlock()
	if d.say != nil {
		return d.say(ctx, n, m)
	}
	return channels.Receipt{ProviderID: "p-" + m.AttemptID}, nil
}

func (*driver) Authenticate(channels.Callback) error { return nil }

// Read takes updates as JSON; «panic» shows a driver at fault.
func (*driver) Read(cb channels.Callback) (updates []channels.Update, err error) {
	if string(cb.Body) == "panic" {
		panic("driver at fault")
	}
	return updates, json.Unmarshal(cb.Body, &updates)
}

func (*driver) Acknowledge(channels.Callback) (contentType string, body []byte) { return "", nil }

func (d *driver) deliveries() []delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

// to gives the kinds of the messages that an address got, in order.
func (d *driver) to(address string) []survey.Kind {
	var kinds []survey.Kind
	for _, m := range d.deliveries() {
		if m.To == address {
			kinds = append(kinds, m.Kind)
		}
	}
	return kinds
}

// fails answers with a fault.
func fails(f channels.Fault, code string) func(context.Context, int, channels.Message) (channels.Receipt, error) {
	return func(context.Context, int, channels.Message) (channels.Receipt, error) {
		return channels.Receipt{}, &channels.Error{Fault: f, Code: code, Err: fmt.Errorf("answer %s", code)}
	}
}

// A logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), s)
}

// A rig is a dispatcher on a store and a Redis of its own, with an SMS sender, a bot and a mailer that reach nobody.
type rig struct {
	testing.TB
	*store.Store
	*clock
	cfg            dispatch.Config
	redis          *redis.Client
	sms, bot, mail *driver
	log            *logBuffer
	ids            survey.IDSource
}

func newRig(tb testing.TB, s *store.Store) *rig {
	tb.Helper()
	packs, err := templates.LoadPacks()
	if err != nil {
		tb.Fatal(err)
	}
	surveys := survey.Builtin()
	if err := s.SeedReleases(tb.Context(), templates.BuiltinReleases(packs, surveys)); err != nil {
		tb.Fatal(err)
	}
	by := make(map[string]survey.Survey)
	for _, sv := range surveys {
		by[sv.ID] = sv
	}
	atlas, err := survey.LoadAtlas()
	if err != nil {
		tb.Fatal(err)
	}
	opts, err := redis.ParseURL(storetest.RedisURL(tb))
	if err != nil {
		tb.Fatal(err)
	}
	g := &rig{
		TB: tb, Store: s, clock: &clock{now: noon()}, redis: redis.NewClient(opts), sms: &driver{}, bot: &driver{}, mail: &driver{}, log: &logBuffer{},
	}
	tb.Cleanup(func() { _ = g.redis.Close() })
	brand := templates.Brand{Name: "Trgovina"}
	g.cfg = dispatch.Config{
		Feed: s, Sends: s, Inbox: s, Suppressor: s, Renderer: templates.NewRenderer(s, packs, map[string]templates.Brand{"": brand}),
		Surveys: by, Brand: brand, Links: templates.NewLinks("https://ask.example.hr", []byte("secret")), PublicURL: "https://ask.example.hr",
		Senders: map[string]dispatch.Sender{
			"sms":  {Name: "sms", Channel: survey.SMS, Driver: "twilio", Via: g.sms},
			"bot":  {Name: "bot", Channel: survey.Viber, Driver: "viber-bot", Via: g.bot},
			"mail": {Name: "mail", Channel: survey.Email, Driver: "smtp", Via: g.mail},
		},
		Policy: survey.Policy{Atlas: atlas}, Redis: g.redis, Lease: time.Minute, Poll: 20 * time.Millisecond, Drain: 10 * time.Second,
		Log: slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return g
}

// start runs a dispatcher until the end of the test.
func (g *rig) start() *dispatch.Dispatcher {
	g.Helper()
	g.cfg.Now = g.Now
	d, err := dispatch.New(g.cfg)
	if err != nil {
		g.Fatal(err)
	}
	if err := d.Start(g.Context()); err != nil {
		g.Fatal(err)
	}
	var once sync.Once
	g.Cleanup(func() { once.Do(d.Shutdown) })
	return d
}

// over is a step of a plan without waiting.
func over(c survey.Channel, sender string) survey.Step {
	return survey.Step{Channel: c, Sender: sender, Success: survey.AttemptAccepted}
}

// accept stores a send to phone over SMS, as change leaves it, and gives its id.
func (g *rig) accept(change func(*survey.Send)) string {
	g.Helper()
	now := g.Now()
	m := survey.Send{
		ID: g.ids.New(survey.SendPrefix, now), Mode: survey.Live, Survey: "nps-after-purchase", SurveyVersion: 1, Locale: "hr",
		Recipient: survey.Recipient{Name: "Ana", Phone: phone, Email: "ana@example.hr", ViberID: "ana=="},
		CreatedAt: now, DueAt: now, ExpiresAt: now.Add(7 * 24 * time.Hour), Status: survey.Accepted, Kind: survey.Invitation,
		Plan: []survey.Step{over(survey.SMS, "sms")},
	}
	if change != nil {
		change(&m)
	}
	if m.Lane == "" {
		m.Lane = m.Plan[0].Sender
	}
	got, err := g.Accept(g.Context(), []survey.Send{m}, nil)
	if err != nil {
		g.Fatal(err)
	}
	return got[0].ID
}

// by gives a send a plan over these senders in turn.
func by(steps ...survey.Step) func(*survey.Send) {
	return func(m *survey.Send) { m.Plan = steps }
}

// orphan is by for a send that has long been due.
func orphan(steps ...survey.Step) func(*survey.Send) {
	return func(m *survey.Send) { m.Plan, m.DueAt = steps, m.DueAt.Add(-time.Hour) }
}

// person gives a send another recipient.
func person(i int) func(*survey.Send) {
	return func(m *survey.Send) { m.Recipient = survey.Recipient{Phone: fmt.Sprintf("+38591%07d", i)} }
}

// until waits for what must come true.
func (g *rig) until(what string, ok func() bool) {
	g.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			g.log.mu.Lock()
			defer g.log.mu.Unlock()
			g.Fatalf("never: %s; log:\n%s", what, g.log.buf.String())
		}
	}
}

// send gives a send as it is now.
func (g *rig) send(id string) (survey.Send, []survey.Attempt) {
	g.Helper()
	m, attempts, err := g.Send(g.Context(), id)
	if err != nil {
		g.Fatal(err)
	}
	return m, attempts
}

// becomes waits for a status of a send, and gives it.
func (g *rig) becomes(id string, want survey.Status) (survey.Send, []survey.Attempt) {
	g.Helper()
	var m survey.Send
	var attempts []survey.Attempt
	g.until(fmt.Sprintf("send is %s", want), func() bool {
		m, attempts = g.send(id)
		if m.Status != want && m.Status.Final() {
			g.Fatalf("send is %s %s; want %s", m.Status, m.Reason, want)
		}
		return m.Status == want
	})
	return m, attempts
}

// settled waits until all that was due has been looked at: a send accepted now to somebody else is delivered.
func (g *rig) settled(lane string, c survey.Channel) {
	g.Helper()
	id := g.accept(func(m *survey.Send) {
		m.Recipient = survey.Recipient{Phone: "+385000000", ViberID: "marker==", Email: "marker@example.hr"}
		m.Plan = []survey.Step{over(c, lane)}
	})
	g.until("marker is decided", func() bool {
		m, _ := g.send(id)
		return m.Lane == "" || m.Status == survey.Scheduled
	})
}

// events gives the types of the ledger of a send, oldest first.
func (g *rig) events(id string) []string {
	g.Helper()
	items, _, err := g.Events(g.Context(), id, "", 200)
	if err != nil {
		g.Fatal(err)
	}
	types := make([]string, len(items))
	for i, e := range items {
		types[i] = e.Type
	}
	slices.Reverse(types)
	return types
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// calls keeps a callback of a sender, as webhooks does; it gives its id.
func (g *rig) calls(sender string, updates ...channels.Update) string {
	g.Helper()
	body, err := json.Marshal(updates)
	if err != nil {
		g.Fatal(err)
	}
	return g.callsRaw(sender, string(body))
}

func (g *rig) callsRaw(sender, body string) string {
	g.Helper()
	id := g.ids.New(survey.InboundPrefix, g.Now())
	fresh, err := g.PutInbound(g.Context(), survey.Inbound{ID: id, Sender: sender, Mode: survey.Live, Key: id, Body: []byte(body), At: g.Now()})
	if err != nil || !fresh {
		g.Fatalf("callback kept %t, %v", fresh, err)
	}
	return id
}

// read waits until callbacks are read.
func (g *rig) read(ids ...string) {
	g.Helper()
	g.until("callbacks are read", func() bool {
		left, err := g.Inbound(g.Context(), ids)
		if err != nil {
			g.Fatal(err)
		}
		return len(left) == 0
	})
}

func said(channel survey.Channel, from, text string) channels.Update {
	return channels.Update{Type: channels.ReplyUpdate, Channel: channel, From: from, Text: text}
}

func reported(m delivery, status survey.AttemptStatus) channels.Update {
	return channels.Update{Type: channels.StatusUpdate, Channel: m.Channel, AttemptID: m.AttemptID, Status: status}
}
