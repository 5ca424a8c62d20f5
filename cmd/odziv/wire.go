package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/channels/smtp"
	"github.com/odziv/odziv/channels/twilio"
	"github.com/odziv/odziv/channels/viberbot"
	"github.com/odziv/odziv/dispatch"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// A gateway is all parts, wired. It is made by open and ended by close.
type gateway struct {
	cfg       Config
	public    string
	log       *slog.Logger
	ids       *survey.IDSource
	store     *store.Store
	redis     redis.UniversalClient
	packs     map[string]*templates.Pack
	links     *templates.Links
	renderer  *templates.Renderer
	surveys   []survey.Survey
	bySurvey  map[string]survey.Survey
	brand     templates.Brand
	senders   []dispatch.Sender // as configured, in the order of preference
	spare     []dispatch.Sender // sandbox senders for test sends where none is configured
	planner   dispatch.Planner
	plan      *planner
	policy    survey.Policy
	work      *dispatch.Dispatcher
	closers   []func()
	bootstrap string
}

// open makes the parts, in the order in which they stand on each other. What was made is ended again when one cannot be.
func open(ctx context.Context, cfg Config, log *slog.Logger) (g *gateway, err error) {
	g = &gateway{cfg: cfg, log: log, ids: new(survey.IDSource), bootstrap: string(cfg.BootstrapKey), public: cfg.PublicURL}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	b := cfg.Brand
	if g.policy, err = cfg.Policy.survey(b.Timezone); err != nil {
		return g, err
	}
	// Of a policy that leaves nobody alone for a while, the longest look back is none.
	if g.store, err = store.Open(ctx, store.Config{URL: string(cfg.DatabaseURL), Dir: cfg.DataDir, Log: log, NoFatigue: g.policy.Longest() == 0}); err != nil {
		return g, fmt.Errorf("open the store: %w", err)
	}
	g.closers = append(g.closers, func() {
		if err := g.store.Close(); err != nil {
			log.ErrorContext(context.WithoutCancel(ctx), "store not closed", "error", err)
		}
	})
	var closeRedis func()
	if g.redis, closeRedis, err = openRedis(ctx, string(cfg.RedisURL)); err != nil {
		return g, err
	}
	g.closers = append(g.closers, closeRedis)
	if g.packs, err = templates.LoadPacks(); err != nil {
		return g, fmt.Errorf("load locales: %w", err)
	}
	g.surveys = survey.Builtin()
	g.bySurvey = make(map[string]survey.Survey, len(g.surveys))
	for _, sv := range g.surveys {
		g.bySurvey[sv.ID] = sv
	}
	if err = g.store.SeedReleases(ctx, templates.BuiltinReleases(g.packs, g.surveys)); err != nil {
		return g, fmt.Errorf("install messages: %w", err)
	}
	secret, err := g.store.Secret(ctx, "links")
	if err != nil {
		return g, fmt.Errorf("read secret: %w", err)
	}
	g.links = templates.NewLinks(g.public, secret)
	g.brand = templates.Brand{Name: b.Name, Color: b.Color, Address: b.Address, Timezone: b.Timezone}
	g.renderer = templates.NewRenderer(g.store, g.packs, map[string]templates.Brand{"": g.brand})
	if err = g.openSenders(); err != nil {
		return g, err
	}
	g.planner = dispatch.Planner{Senders: g.senders, Spare: g.spare, Reminders: cfg.Policy.Reminders}
	g.plan = &planner{gateway: g}
	g.work, err = dispatch.New(dispatch.Config{
		Feed: g.store, Sends: g.store, Inbox: g.store, Suppressor: g.store, Renderer: g.renderer,
		Surveys: g.bySurvey, Brand: g.brand, Links: g.links, PublicURL: g.public, Senders: byName(slices.Concat(g.senders, g.spare)), Redis: g.redis,
		Policy: g.policy, Release: func(_ context.Context, id string) (int, error) { return g.plan.current(id) }, //nolint:contextcheck // what it looks up, it keeps for all callers
		Lease: cfg.Dispatch.Lease, Poll: cfg.Dispatch.Poll, Drain: cfg.Dispatch.Drain, LookUp: cfg.Dispatch.LookUp, Grace: cfg.Dispatch.Grace, Log: log,
	})
	return g, err
}

// close ends what open made, in the reverse order.
func (g *gateway) close() {
	for _, end := range slices.Backward(g.closers) {
		end()
	}
	g.closers = nil
}

func byName(senders []dispatch.Sender) map[string]dispatch.Sender {
	m := make(map[string]dispatch.Sender, len(senders))
	for _, s := range senders {
		m[s.Name] = s
	}
	return m
}

// openSenders makes the configured senders and the built-in sandbox. A new driver is one more case here.
func (g *gateway) openSenders() error {
	var faults []error
	for _, c := range g.cfg.Senders {
		via, err := g.driver(c)
		if err != nil {
			faults = append(faults, fmt.Errorf("sender %s: %w", c.Name, err))
			continue
		}
		if end, ok := via.(io.Closer); ok {
			g.closers = append(g.closers, func() { _ = end.Close() })
		}
		s := dispatch.Sender{
			Name: c.Name, Channel: c.Channel, Driver: c.Driver, Via: via, Sandbox: c.Driver == driverSandbox, Concurrency: c.Concurrency,
			Retry: c.Retry, Tariff: c.Price, Fingerprint: c.fingerprint(),
		}
		for _, r := range c.Rate {
			unit := dispatch.Messages
			if r.Segments {
				unit = dispatch.Segments
			}
			s.Rates = append(s.Rates, dispatch.Rate{N: r.N, Per: r.Per, Unit: unit})
		}
		g.senders = append(g.senders, s)
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	for _, c := range survey.SendChannels() { // a test key works out of the box
		if slices.ContainsFunc(g.senders, func(s dispatch.Sender) bool { return s.Sandbox && s.Channel == c }) {
			continue
		}
		name := "sandbox-" + string(c)
		via, err := g.sandbox(name, c)
		if err != nil {
			return err
		}
		g.closers = append(g.closers, func() { _ = via.Close() })
		g.spare = append(g.spare, dispatch.Sender{Name: name, Channel: c, Driver: driverSandbox, Via: via, Sandbox: true})
	}
	return nil
}

func (g *gateway) driver(c Sender) (channels.Channel, error) {
	switch c.Driver {
	case driverSMTP:
		return smtp.New(smtp.Config{
			URL: string(c.URL), From: c.From, ReplyTo: c.ReplyTo, Concurrency: c.Concurrency,
			DKIM: smtp.DKIM{Domain: c.DKIM.Domain, Selector: c.DKIM.Selector, KeyFile: c.DKIM.KeyFile},
		})
	case driverTwilio:
		t := twilio.Config{BaseURL: c.BaseURL, AccountSID: c.AccountSID, AuthToken: string(c.AuthToken), From: c.From, Connections: c.Concurrency}
		if len(c.From) == 34 && c.From[:2] == "MG" {
			t.From, t.MessagingServiceSID = "", c.From
		}
		return twilio.New(t)
	case driverViberBot:
		return viberbot.New(viberbot.Config{BaseURL: c.BaseURL, AuthToken: string(c.AuthToken), Name: c.SenderName, Connections: c.Concurrency})
	case driverSandbox:
		return g.sandbox(c.Name, c.Channel)
	default:
		return nil, fmt.Errorf("no driver %q", c.Driver)
	}
}

func (g *gateway) sandbox(name string, c survey.Channel) (*sandboxSender, error) {
	via, err := sandbox.New(sandbox.Config{Sender: name, Channel: c}, g.store, reports{g}, g.log)
	if err != nil {
		return nil, fmt.Errorf("sandbox sender %s: %w", name, err)
	}
	return &sandboxSender{via}, nil
}

// A sandboxSender reads what its own phones say.
type sandboxSender struct{ *sandbox.Channel }

var _ channels.Receiver = sandboxSender{}

// Authenticate refuses everything: the phones speak through the sandbox page, not through a webhook.
func (sandboxSender) Authenticate(channels.Callback) error { return channels.ErrSignature }

// Read decodes what reports kept.
func (sandboxSender) Read(cb channels.Callback) ([]channels.Update, error) {
	var u channels.Update
	if err := json.Unmarshal(cb.Body, &u); err != nil {
		return nil, fmt.Errorf("decode update: %w", err)
	}
	return []channels.Update{u}, nil
}

// Acknowledge has nobody to answer.
func (sandboxSender) Acknowledge(channels.Callback) (string, []byte) { return "", nil }

// reports takes what happens on the sandbox phones into the inbox, as any provider's callback.
type reports struct{ g *gateway }

// Report keeps u durably before it returns.
func (r reports) Report(ctx context.Context, sender string, u channels.Update) error {
	_, err := r.keep(ctx, sender, u)
	return err
}

func (r reports) keep(ctx context.Context, sender string, u channels.Update) (id string, err error) {
	body, err := json.Marshal(u)
	if err != nil {
		return "", fmt.Errorf("encode update: %w", err)
	}
	now := time.Now()
	id = r.g.ids.New(survey.InboundPrefix, now)
	key := u.Key
	if key == "" {
		key = id
	}
	in := survey.Inbound{ID: id, Sender: sender, Mode: survey.Live, Key: key, Body: body, At: now}
	if _, err := r.g.store.PutInbound(ctx, in); err != nil {
		return "", fmt.Errorf("keep update: %w", err)
	}
	if u.Type == channels.ReplyUpdate { // what a person says is seen on the phone too
		said := sandbox.Message{
			ID: r.g.ids.New(survey.MessagePrefix, now), SendID: u.SendID, AttemptID: id, Channel: u.Channel, Sender: sender, To: u.From, Text: u.Text,
			Inbound: true, At: now,
		}
		if err := r.g.store.PutSandboxMessage(ctx, said); err != nil {
			return "", fmt.Errorf("show reply: %w", err)
		}
	}
	r.g.work.Wake()
	return id, nil
}

// publicURL is how people reach a gateway that listens on address, when nothing else is said.
func publicURL(address string) string { return (&url.URL{Scheme: "http", Host: address}).String() }
