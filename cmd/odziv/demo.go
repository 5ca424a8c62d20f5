package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
)

// demoCmd runs everything in one process on embedded parts.
type demoCmd struct {
	Listen  string `help:"Address to serve HTTP on; when it is taken, a free port." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	DataDir string `help:"Folder to keep the demo's data in. Default: a temporary one, removed at the end." placeholder:"DIR"`
}

// Run serves until ctx ends.
func (c *demoCmd) Run(ctx context.Context, io *streams) error {
	cfg := defaultConfig()
	cfg.LogLevel = slog.LevelWarn
	cfg.Brand.Name, cfg.Brand.Timezone = "Lipa", "Europe/Zagreb"
	cfg.Brand.Address = "Lipa d.o.o., Ilica 1, 10000 Zagreb"
	cfg.Listen = c.Listen
	cfg.Dispatch.Drain = 5 * time.Second
	cfg.Senders = []Sender{
		{Name: "phone", Channel: survey.SMS, Driver: driverSandbox, Concurrency: defaultConcurrency},
		{Name: "viber", Channel: survey.Viber, Driver: driverSandbox, Concurrency: defaultConcurrency},
		{Name: "mail", Channel: survey.Email, Driver: driverSandbox, Concurrency: defaultConcurrency},
	}
	cfg.DataDir = c.DataDir
	if cfg.DataDir == "" {
		dir, err := os.MkdirTemp("", "odziv-demo-")
		if err != nil {
			return fmt.Errorf("make a folder for the demo: %w", err)
		}
		defer os.RemoveAll(dir)
		cfg.DataDir = dir
	}
	log := newLog(io.Err, cfg.LogLevel)
	var d *demo
	prepare := func(ctx context.Context, g *gateway) (*demo, error) {
		var err error
		d, err = g.demo(ctx)
		return d, err
	}
	ready := func(g *gateway) { welcome(io.Out, g.public, d.key) }
	err := serve(ctx, cfg, log, prepare, ready)
	var taken *net.OpError
	if errors.As(err, &taken) && errors.Is(err, syscall.EADDRINUSE) {
		cfg.Listen = "127.0.0.1:0"
		return serve(ctx, cfg, log, prepare, ready)
	}
	return err
}

// demo makes the key and the person that only a demo has.
func (g *gateway) demo(ctx context.Context) (*demo, error) {
	now := time.Now()
	key, secret, err := auth.NewKey(g.ids.New(survey.KeyPrefix, now), "demo", survey.Test, []string{auth.Admin}, "demo", now)
	if err != nil {
		return nil, err
	}
	if err := g.store.CreateKey(ctx, key); err != nil {
		return nil, fmt.Errorf("make the demo's key: %w", err)
	}
	user, err := g.store.UserByEmail(ctx, "demo@example.com")
	if errors.Is(err, survey.ErrNotFound) {
		// Without a password nobody signs in by it: only the demo's button does.
		user = auth.User{ID: g.ids.New(survey.UserPrefix, now), Email: "demo@example.com", Name: "Demo", CreatedAt: now}
		err = g.store.CreateUser(ctx, user)
	}
	if err != nil {
		return nil, fmt.Errorf("make the demo's user: %w", err)
	}
	sessions := &auth.Sessions{Store: g.store, Now: time.Now}
	return &demo{key: secret, login: func(ctx context.Context) (string, error) {
		token, _, err := sessions.Start(ctx, user.ID)
		return token, err
	}}, nil
}

// welcome tells a stranger what to do next.
func welcome(w io.Writer, url, key string) {
	_, _ = fmt.Fprintf(w, `
Odziv demo: everything runs in this process, nothing leaves it.

  Phones     %[1]s/sandbox
  Console    %[1]s/console
  Reference  %[1]s/docs
  Key        %[2]s

Paste this, and watch the phones:

curl -sS %[1]s/v1/sends -H 'Authorization: Bearer %[2]s' -H 'Content-Type: application/json' -d '{
  "survey": "nps-after-purchase",
  "recipient": {"name": "Ana Kovač", "phone": "+385 91 123 4567", "email": "ana@example.hr", "locale": "hr"},
  "transaction": {"id": "order-10023", "type": "order.delivered", "touchpoint": "delivery", "attributes": {"store": "Zagreb-1"}},
  "channels": ["sms"]
}'

Type 9 on the phone, say why, and read the answer:

curl -sS %[1]s/v1/responses -H 'Authorization: Bearer %[2]s'

Ctrl-C ends it.
`, url, key)
}
