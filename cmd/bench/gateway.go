package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// senders is the configuration of a gateway that reaches this stub.
func (p *process) senders(channel string) string {
	if channel == "email" {
		return `  sms: {channel: email, driver: smtp, url: "smtp://` + p.extra + `?tls=none", from: "Lipa <ankete@lipa.example>", concurrency: ` + strconv.Itoa(mailConns) + `}` + "\n"
	}
	return `  sms: {channel: sms, driver: twilio, base_url: "` + p.url + `", account_sid: ` + accountSID + `, auth_token: "` + authToken + `", from: "+385998765432", concurrency: 32}` + "\n"
}

// gateway starts the product and waits until it is ready.
func (b *bench) gateway(ctx context.Context, kind, engine, senders, roles string) (*process, error) {
	db, dir, drop, err := b.fresh(ctx, kind)
	if err != nil {
		return nil, err
	}
	if engine != "" {
		if engine, err = emptyRedis(ctx, engine); err != nil {
			return nil, err
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	listen := ln.Addr().String()
	_ = ln.Close()
	if senders == "" {
		senders = "  sms: {channel: sms, driver: sandbox}\n"
	}
	file := filepath.Join(dir, "odziv.yaml")
	text := "listen: " + listen + "\npublic_url: http://" + listen + "\ndata_dir: " + dir + "\nlog_level: error\npolicy: {window: none, cooldown: " + b.rest() + "}\nsenders:\n" + senders
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.binary, "serve", "--config", file, "--roles", roles) //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), "ODZIV_BOOTSTRAP_KEY="+benchKey, "ODZIV_DATABASE_URL="+db, "ODZIV_REDIS_URL="+engine)
	cmd.Stderr = os.Stderr
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, url: "http://" + listen, after: drop}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/readyz", nil)
		if err != nil {
			return nil, err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				p.started = time.Since(begun)
				return p, nil
			}
		}
	}
	p.stop()
	return nil, errors.New("the gateway is not ready after 20 s")
}

// rest is the cooldown as the configuration has it.
func (b *bench) rest() string {
	if b.cooldown == 0 {
		return "none"
	}
	return b.cooldown.String()
}

// fresh gives an empty database of a kind and a folder.
func (b *bench) fresh(ctx context.Context, kind string) (databaseURL, dir string, drop func(), err error) {
	b.schemas++
	dir = filepath.Join(b.dir, "data-"+strconv.Itoa(b.schemas))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", nil, err
	}
	drop = func() { _ = os.RemoveAll(dir) }
	if kind == "SQLite" {
		return "", dir, drop, nil
	}
	schema := fmt.Sprintf("bench_%d_%d", os.Getpid(), b.schemas)
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return "", "", nil, err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		return "", "", nil, err
	}
	u, err := url.Parse(b.database)
	if err != nil {
		return "", "", nil, err
	}
	q := u.Query()
	q.Set("search_path", schema)
	q.Set("application_name", schema)
	u.RawQuery = q.Encode()
	return u.String(), dir, func() {
		_ = os.RemoveAll(dir)
		if conn, err := pgx.Connect(context.WithoutCancel(ctx), b.database); err == nil {
			_, _ = conn.Exec(context.WithoutCancel(ctx), "DROP SCHEMA "+schema+" CASCADE")
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}, nil
}

// noopGateway starts a gateway whose provider does nothing.
func (b *bench) noopGateway(ctx context.Context, kind string) (*process, error) {
	db, dir, drop, err := b.fresh(ctx, kind)
	if err != nil {
		return nil, err
	}
	engine := b.redis
	if engine != "" {
		if engine, err = emptyRedis(ctx, engine); err != nil {
			return nil, err
		}
	}
	p, err := b.role(ctx, "noop", "-database", db, "-dir", dir, "-redis", engine, "-cooldown", b.cooldown.String())
	if err != nil {
		drop()
		return nil, err
	}
	p.after = drop
	if u, err := url.Parse(db); err == nil {
		p.application = u.Query().Get("application_name")
	}
	return p, nil
}

// emptyRedis takes database number 14 of a server for itself.
func emptyRedis(ctx context.Context, server string) (string, error) {
	options, err := redis.ParseURL(server)
	if err != nil {
		return "", err
	}
	options.DB = 14
	rdb := redis.NewClient(options)
	defer rdb.Close()
	if err := rdb.FlushDB(ctx).Err(); err != nil {
		return "", err
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	u.Path = "/14"
	return u.String(), nil
}
