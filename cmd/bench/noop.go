package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"os"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/twilio"
	"github.com/odziv/odziv/dispatch"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
	"github.com/odziv/odziv/web"
	"github.com/odziv/odziv/web/api"
	"github.com/odziv/odziv/webhooks"
)

// An idler is a provider that takes every message at once. It reads callbacks as Twilio's driver does.
type idler struct {
	*twilio.Channel
	c *counter
}

// Send takes m.
func (i *idler) Send(context.Context, channels.Message) (channels.Receipt, error) {
	i.c.add()
	return channels.Receipt{Segments: 1}, nil
}

// A noopGateway is the gateway of cmd/odziv without its commands, around an idler.
type noopGateway struct {
	store    *store.Store
	redis    redis.UniversalClient
	work     *dispatch.Dispatcher
	planner  dispatch.Planner
	ids      survey.IDSource
	public   string
	surveys  []survey.Survey
	provider *idler
	cooldown time.Duration
}

// serveNoop serves API and webhooks, and works, until ctx ends. It prints where, and where the provider counts.
func serveNoop(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("noop", flag.ContinueOnError)
	database, dir, engine := f.String("database", "", ""), f.String("dir", "", ""), f.String("redis", "", "")
	cooldown := f.Duration("cooldown", 0, "")
	profile := f.String("cpuprofile", os.Getenv("ODZIV_BENCH_PROFILE"), "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *profile != "" {
		file, err := os.Create(*profile) //nolint:gosec // whoever measures names it
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	g := &noopGateway{public: "http://" + ln.Addr().String(), surveys: survey.Builtin(), cooldown: *cooldown}
	if err := g.open(ctx, *database, *dir, *engine); err != nil {
		return err
	}
	app := web.New(web.Config{PublicURL: g.public, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err := g.mount(app); err != nil { //nolint:contextcheck // fiber hands each request its own
		return err
	}
	if err := g.work.Start(ctx); err != nil {
		return err
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = app.Listener(web.Listener(ln)) })
	err = g.provider.c.control(ctx, nil, g.public+" http://%s")
	_ = app.Shutdown()
	g.work.Shutdown()
	serving.Wait()
	return errors.Join(err, g.redis.Close(), g.store.Close())
}

// open makes the parts.
func (g *noopGateway) open(ctx context.Context, database, dir, engine string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	tw, err := twilio.New(twilio.Config{AccountSID: accountSID, AuthToken: authToken, From: "+385998765432"})
	if err != nil {
		return err
	}
	g.provider = &idler{Channel: tw, c: newCounter()}
	if g.store, err = store.Open(ctx, store.Config{URL: database, Dir: dir, Log: log, NoFatigue: g.cooldown == 0}); err != nil {
		return err
	}
	packs, err := templates.LoadPacks()
	if err != nil {
		return err
	}
	if err := g.store.SeedReleases(ctx, templates.BuiltinReleases(packs, g.surveys)); err != nil {
		return err
	}
	if engine == "" {
		server := miniredis.NewMiniRedis()
		if err := server.Start(); err != nil {
			return err
		}
		engine = "redis://" + server.Addr()
	}
	options, err := redis.ParseURL(engine)
	if err != nil {
		return err
	}
	options.PoolSize = 64
	g.redis = redis.NewClient(options)
	bySurvey := make(map[string]survey.Survey, len(g.surveys))
	for _, sv := range g.surveys {
		bySurvey[sv.ID] = sv
	}
	brand := templates.Brand{Name: "Lipa"}
	sms := dispatch.Sender{Name: "sms", Channel: survey.SMS, Driver: "twilio", Via: g.provider, Concurrency: 64}
	g.planner = dispatch.Planner{Senders: []dispatch.Sender{sms}}
	g.work, err = dispatch.New(dispatch.Config{
		Feed: g.store, Sends: g.store, Inbox: g.store, Suppressor: g.store, Renderer: templates.NewRenderer(g.store, packs, map[string]templates.Brand{"": brand}),
		Surveys: bySurvey, Brand: brand, Links: templates.NewLinks(g.public, make([]byte, 32)), PublicURL: g.public,
		Senders: map[string]dispatch.Sender{"sms": sms}, Redis: g.redis, Log: log,
		Policy: survey.Policy{Zone: time.UTC, Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: g.cooldown}}},
	})
	return err
}

// mount puts the API and the webhooks on app.
func (g *noopGateway) mount(app *fiber.App) error {
	keys, err := auth.NewKeys(g.store, benchKey, time.Now)
	if err != nil {
		return err
	}
	a, err := api.New(api.Config{
		PublicURL: g.public, Now: time.Now, IDs: &g.ids, Auth: keys, Sends: g.store, Cancel: new(nowhere), Responses: g.store, Keys: g.store,
		Suppressions: g.store, Contacts: g.store, Eraser: g.store, Planner: g, Ops: api.Ops{Bulk: g.store, Letters: g.store, Lanes: g.work}, Wake: g.work.Wake, Surveys: g.surveys, Locale: templates.MatchLocale, Locales: templates.Locales(),
	})
	if err != nil {
		return err
	}
	a.Mount(app)
	in := &webhooks.Inbound{
		Recorder: g.store, Senders: map[string]webhooks.Sender{"sms": {Driver: "twilio", Via: g.provider}}, PublicURL: g.public, IDs: &g.ids,
		Wake: g.work.Wake, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	in.Mount(app)
	return nil
}

// Plan implements api.Planner.
func (g *noopGateway) Plan(s *survey.Send, wish survey.Wish) []survey.FieldError {
	s.SurveyVersion = 1
	if s.Locale == "" {
		s.Locale = "hr"
	}
	if faults, ok := errors.AsType[survey.InvalidError](g.planner.Plan(s, wish)); ok {
		return faults
	}
	return nil
}
