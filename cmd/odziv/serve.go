package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/errgroup"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/channels"
	magic "github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/templates"
	"github.com/odziv/odziv/web"
	"github.com/odziv/odziv/web/api"
	"github.com/odziv/odziv/web/console"
	"github.com/odziv/odziv/web/respond"
	"github.com/odziv/odziv/web/sandbox"
	"github.com/odziv/odziv/webhooks"
)

// serveCmd runs the gateway until a signal ends it.
type serveCmd struct {
	configFlags `embed:""`
}

// Run serves until ctx ends, then drains: intake first, then work under way, then what both stand on.
func (c *serveCmd) Run(ctx context.Context, io *streams) error {
	cfg, err := c.load(io.Getenv)
	if err != nil {
		return err
	}
	return serve(ctx, cfg, newLog(io.Err, cfg.LogLevel), nil, nil)
}

func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// A demo is what only the demo has.
type demo struct {
	key   string                                    // shown on the sandbox page
	login func(ctx context.Context) (string, error) // signs in without a password
}

// serve runs all parts. Prepare is called when they are there and before anything is served; ready when the address is bound; both may be nil.
func serve(ctx context.Context, cfg Config, log *slog.Logger, prepare func(context.Context, *gateway) (*demo, error), ready func(*gateway)) error {
	started := time.Now()
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with --listen", cfg.Listen, err)
	}
	defer ln.Close()
	if cfg.PublicURL == "" {
		cfg.PublicURL = publicURL(ln.Addr().String())
	}
	g, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer g.close()
	var d *demo
	if prepare != nil {
		if d, err = prepare(ctx, g); err != nil {
			return err
		}
	}
	app, err := g.app(d) //nolint:contextcheck // fiber hands each request its own
	if err != nil {
		return err
	}
	working := cfg.Role(roleWorker)
	if working {
		if err := g.work.Start(ctx); err != nil {
			return err
		}
	}
	log.InfoContext(ctx, "serving", "listen", ln.Addr().String(), "public_url", g.public, "roles", cfg.Roles, "took_ms", time.Since(started).Milliseconds())
	if ready != nil {
		ready(g)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		g.forget(ctx)
		return nil
	})
	group.Go(func() error {
		if err := app.Listener(web.Listener(ln)); err != nil && ctx.Err() == nil {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		log.InfoContext(ctx, "draining", "seconds", cfg.Dispatch.Drain.Seconds())
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Dispatch.Drain)
		defer cancel()
		var work sync.WaitGroup // beside the requests under way, in the same time; what they accept is on disk
		if working {
			work.Go(g.work.Shutdown)
		}
		err := app.ShutdownWithContext(drain)
		_ = ln.Close() // Shutdown passes over a server that has not begun to serve
		work.Wait()
		if errors.Is(err, context.DeadlineExceeded) {
			log.WarnContext(ctx, "requests were cut off after the drain time")
			err = nil
		}
		return err
	})
	err = group.Wait()
	log.InfoContext(ctx, "stopped")
	return err
}

// forget removes, once an hour, what is kept for a time only.
func (g *gateway) forget(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			err := errors.Join(g.store.Forget(ctx, now.Add(-24*time.Hour)), g.store.ForgetTriggers(ctx, now.Add(-triggersKept)))
			if err != nil && ctx.Err() == nil {
				g.log.WarnContext(ctx, "old records not removed, tried again", "error", err)
			}
		}
	}
}

// app puts what the roles of this process ask for on one server.
func (g *gateway) app(d *demo) (*fiber.App, error) {
	app := web.New(web.Config{
		PublicURL: g.public, Log: g.log, Now: time.Now, TrustedProxies: g.cfg.TrustedProxies,
		Ready: []web.Check{
			{Name: "store", Run: g.store.Ping},
			{Name: "redis", Run: func(ctx context.Context) error { return g.redis.Ping(ctx).Err() }},
		},
	})
	if g.cfg.Role(roleWebhooks) {
		g.webhooks(app)
		g.shops(app)
		if err := g.pages(app); err != nil {
			return nil, err
		}
	}
	if g.cfg.Role(roleAPI) {
		if err := g.api(app); err != nil {
			return nil, err
		}
		if d != nil || g.cfg.showsSandbox() {
			if err := g.lab(app, d); err != nil {
				return nil, err
			}
		}
	}
	if g.cfg.Role(roleConsole) {
		if err := g.console(app, d); err != nil {
			return nil, err
		}
	}
	app.Use(func(c *fiber.Ctx) error {
		return fiber.NewError(http.StatusNotFound, fmt.Sprintf("nothing is at %s; %s/docs tells what there is", c.Path(), g.public))
	})
	return app, nil
}

func (g *gateway) webhooks(app *fiber.App) {
	in := &webhooks.Inbound{
		Recorder: g.store, Senders: make(map[string]webhooks.Sender), PublicURL: g.public, IDs: g.ids, Wake: g.work.Wake, Log: g.log, Now: time.Now,
	}
	for _, s := range g.senders {
		if rcv, ok := s.Via.(channels.Receiver); ok && !s.Sandbox {
			in.Senders[s.Name] = webhooks.Sender{Driver: s.Driver, Via: rcv}
		}
	}
	in.Mount(app)
}

func (g *gateway) api(app *fiber.App) error {
	keys, err := auth.NewKeys(g.store, g.bootstrap, time.Now)
	if err != nil {
		return err
	}
	a, err := api.New(api.Config{
		PublicURL: g.public, Now: time.Now, IDs: g.ids, Auth: keys, Sends: g.store, Cancel: canceller{g}, Responses: g.store, Keys: g.store,
		Suppressions: g.store, Contacts: g.store, Eraser: g.store, Planner: g.plan, Preview: previewer{g}, Ops: g.ops(), Triggers: g.triggering(), Wake: g.work.Wake, Surveys: g.surveys,
		Senders: g.senderList(), Locale: templates.MatchLocale, Locales: templates.Locales(),
	})
	if err != nil {
		return err
	}
	a.Mount(app)
	return nil
}

func (g *gateway) senderList() []api.Sender {
	var list []api.Sender
	for _, s := range slices.Concat(g.senders, g.spare) {
		list = append(list, api.Sender{Name: s.Name, Channel: s.Channel, Driver: s.Driver})
	}
	return list
}

func (g *gateway) lab(app *fiber.App, d *demo) error {
	deps := sandbox.Deps{Box: box{g}, Surveys: g.surveys, Brand: g.brand.Name, PublicURL: g.public, Magic: magic.Magic(), Zone: g.zone(), Now: time.Now}
	deps.Landing = &sandbox.Landing{Parts: []sandbox.Part{
		{Name: "API", Where: g.public + "/v1"},
		{Name: "Reference", Where: g.public + "/docs"},
		{Name: "Phones", Where: g.public + "/sandbox"},
		{Name: "Console", Where: g.public + "/console"},
	}}
	for _, s := range g.senders {
		if s.Sandbox {
			continue
		}
		if !slices.Contains(deps.Real, s.Channel) {
			deps.Real = append(deps.Real, s.Channel)
		}
		deps.Landing.Parts = append(deps.Landing.Parts, sandbox.Part{Name: "Sender " + s.Name, Where: string(s.Channel) + " over " + s.Driver, State: "real"})
	}
	if d != nil {
		deps.Key = d.key
	}
	return sandbox.Mount(app, deps)
}

func (g *gateway) pages(app *fiber.App) error {
	locales := make([]respond.Locale, 0, len(g.packs))
	for _, id := range templates.Locales() {
		p := g.packs[id]
		locales = append(locales, respond.Locale{ID: p.Locale, Name: p.Name, Dir: p.Dir, Digits: p.Digits, Words: p.Page})
	}
	return respond.Mount(app, respond.Deps{
		Tokens: g.links, Sends: respondents{g}, Locales: locales, Brand: respond.Brand{Name: g.brand.Name, Color: g.brand.Color},
		Log: g.log, Now: time.Now,
	})
}

func (g *gateway) console(app *fiber.App, d *demo) error {
	passwords, err := auth.NewPasswords(2)
	if err != nil {
		return err
	}
	people := &people{store: g.store, passwords: passwords, sessions: &auth.Sessions{Store: g.store, Now: time.Now}}
	book := contactBook{g, api.NewFinder()}
	deps := console.Deps{
		People: book, Suppressions: stopList{book},
		Users: people, Releases: publishing{g.store, g.plan}, Drafts: g.store, Sends: workshopSends{g.store}, Ops: g.consoleOps(), Renderer: g.renderer,
		TestSend: g.testSend, Surveys: g.surveys, PublicURL: g.public, Zone: g.zone(), Log: g.log, Now: time.Now,
	}
	if d != nil {
		deps.DemoLogin = d.login
	}
	c, err := console.New(deps)
	if err != nil {
		return err
	}
	c.Register(app)
	return nil
}
