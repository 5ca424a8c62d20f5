package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

const (
	accountSID = "AC00000000000000000000000000000000"
	authToken  = "00000000000000000000000000000000"
)

// A bench is one run.
type bench struct {
	setup
	rows    []row
	schemas int
}

// measure runs everything and prints the table.
func measure(ctx context.Context, s setup) (err error) {
	if s.dir, err = os.MkdirTemp("", "odziv-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	s.binary = filepath.Join(s.dir, "odziv")
	build := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "./cmd/odziv") //nolint:gosec // ourselves
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	b := &bench{setup: s}
	for _, run := range []func(context.Context) error{b.accepts, b.deliveries} {
		if err := run(ctx); err != nil {
			return err
		}
	}
	text := b.table()
	say("%s", text)
	if s.out != "" {
		return os.WriteFile(s.out, []byte(text), 0o644) //nolint:gosec // a document
	}
	return nil
}

// stores are the databases that there are.
func (b *bench) stores() []string {
	if b.database == "" {
		return []string{"SQLite"}
	}
	return []string{"SQLite", "PostgreSQL"}
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
	u.RawQuery = q.Encode()
	return u.String(), dir, func() {
		_ = os.RemoveAll(dir)
		if conn, err := pgx.Connect(context.WithoutCancel(ctx), b.database); err == nil {
			_, _ = conn.Exec(context.WithoutCancel(ctx), "DROP SCHEMA "+schema+" CASCADE")
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}, nil
}

// accepts measures how fast sends are taken, against decoding alone and against committing alone.
func (b *bench) accepts(ctx context.Context) error {
	for _, kind := range b.stores() {
		for _, mode := range []string{"single", "batch"} {
			var decode, commit, got, rss, p50, p99 []float64
			for range b.rounds {
				d, err := b.decodeOnly(ctx, mode)
				if err != nil {
					return err
				}
				c, err := b.commitOnly(ctx, kind, mode)
				if err != nil {
					return err
				}
				g, mem, err := b.acceptOnce(ctx, kind, mode)
				if err != nil {
					return err
				}
				decode, commit = append(decode, rate(d)), append(commit, rate(c))
				got, rss = append(got, rate(g)), append(rss, mem)
				p50, p99 = append(p50, g.P50Ms), append(p99, g.P99Ms)
				progress("accept %s %s: %.0f/s (decode %.0f, commit %.0f)", mode, kind, rate(g), rate(d), rate(c))
			}
			r := row{
				work: "accept, " + mode + ", " + kind, limit: median(commit), of: "the same rows committed without HTTP", got: median(got), unit: "sends/s",
				note: fmt.Sprintf("decode and answer only: %.0f/s; p50 %.1f ms, p99 %.1f ms; peak memory %.0f MB", median(decode), median(p50), median(p99), median(rss)),
			}
			if mode == "single" {
				r.goal, r.met = "≥ 60 % of the limit", r.got >= 0.6*r.limit
			} else {
				r.goal, r.met = "≥ 40,000/s", r.got >= 40000
			}
			b.rows = append(b.rows, r)
		}
	}
	return nil
}

func rate(r loadResult) float64 { return float64(r.Items) / r.Seconds }

func (b *bench) decodeOnly(ctx context.Context, mode string) (loadResult, error) {
	p, err := b.role(ctx, "decode")
	if err != nil {
		return loadResult{}, err
	}
	defer p.stop()
	return b.load(ctx, p.url, mode)
}

func (b *bench) load(ctx context.Context, url, mode string, extra ...string) (loadResult, error) {
	conns := "64"
	if mode == "batch" {
		conns = "4"
	}
	args := append([]string{"-url", url, "-key", benchKey, "-mode", mode, "-conns", conns, "-seconds", b.seconds.String()}, extra...)
	return b.result(ctx, "load", args...)
}

// result runs a role to its end and reads what it measured.
func (b *bench) result(ctx context.Context, name string, args ...string) (loadResult, error) {
	exe, err := os.Executable()
	if err != nil {
		return loadResult{}, err
	}
	cmd := exec.CommandContext(ctx, exe, append([]string{"role", name}, args...)...) //nolint:gosec // ourselves
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return loadResult{}, fmt.Errorf("%s: %w", name, err)
	}
	return parse(out)
}

func (b *bench) commitOnly(ctx context.Context, kind, mode string) (loadResult, error) {
	db, dir, drop, err := b.fresh(ctx, kind)
	if err != nil {
		return loadResult{}, err
	}
	defer drop()
	args := []string{"-database", db, "-dir", dir, "-seconds", b.seconds.String()}
	if mode == "batch" {
		args = append(args, "-per", "1000", "-conns", "4")
	}
	return b.result(ctx, "commit", args...)
}

func (b *bench) acceptOnce(ctx context.Context, kind, mode string) (loadResult, float64, error) {
	g, err := b.gateway(ctx, kind, "", "", "api")
	if err != nil {
		return loadResult{}, 0, err
	}
	defer g.stop()
	r, err := b.load(ctx, g.url, mode)
	return r, g.peak(), err
}

// deliveries measures from the first request to the last message at the provider, and replies back.
func (b *bench) deliveries(ctx context.Context) error {
	engines := []string{""}
	if b.redis != "" {
		engines = append(engines, b.redis)
	}
	for _, kind := range b.stores() {
		for _, engine := range engines {
			name := "Redis in process"
			if engine != "" {
				name = "Redis"
			}
			for _, channel := range []string{"sms", "email"} {
				if err := b.deliver(ctx, kind, engine, kind+", "+name, channel); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *bench) deliver(ctx context.Context, kind, engine, where, channel string) error {
	var rates, stored, replies, p99, rss, idle []float64
	for range max(1, b.rounds-1) {
		stub, err := b.role(ctx, map[string]string{"sms": "twilio", "email": "smtp"}[channel])
		if err != nil {
			return err
		}
		err = func() error {
			defer stub.stop()
			g, err := b.gateway(ctx, kind, engine, stub.senders(channel), "api,webhooks,worker")
			if err != nil {
				return err
			}
			defer g.stop()
			latency, err := b.latency(ctx, g, stub, channel)
			if err != nil {
				return err
			}
			idle = append(idle, latency)
			start := time.Now()
			sent := make(chan error, 1)
			go func() {
				_, err := b.load(ctx, g.url, "batch", "-limit", strconv.Itoa(b.n), "-base", "100", "-channel", channel, "-seconds", "2m")
				sent <- err
			}()
			if err := stub.wait(ctx, idleRuns+b.n); err != nil {
				return err
			}
			took := time.Since(start)
			if err := <-sent; err != nil {
				return err
			}
			rates = append(rates, float64(b.n)/took.Seconds())
			progress("deliver %s %s: %.0f/s, idle %.0f ms", channel, where, float64(b.n)/took.Seconds(), latency)
			if channel == "sms" {
				r, err := b.load(ctx, g.url, "reply", "-limit", strconv.Itoa(b.n), "-base", "100", "-conns", "64", "-token", authToken, "-public", g.url, "-seconds", "2m")
				if err != nil {
					return err
				}
				start := time.Now()
				if err := stub.wait(ctx, idleRuns+2*b.n); err != nil { // the follow-up questions
					return err
				}
				understood := float64(b.n) / (r.Seconds + time.Since(start).Seconds())
				stored, replies, p99 = append(stored, rate(r)), append(replies, understood), append(p99, r.P99Ms)
				progress("replies %s: %.0f/s taken, %.0f/s understood and answered", where, rate(r), understood)
			}
			rss = append(rss, g.peak())
			return nil
		}()
		if err != nil {
			return err
		}
	}
	b.rows = append(b.rows,
		row{work: channel + " end to end, " + where, got: median(rates), unit: "sends/s", goal: "≥ 2,500/s", met: median(rates) >= 2500},
		row{work: channel + " idle latency, POST → provider, " + where, got: median(idle), unit: "ms", goal: "< 50 ms", met: median(idle) < 50},
		row{work: channel + " peak memory, " + where, got: median(rss), unit: "MB", goal: "< 150 MB", met: median(rss) < 150})
	if channel == "sms" {
		b.rows = append(b.rows, row{
			work: "signed reply → on disk and answered, " + where, got: median(stored), unit: "replies/s", goal: "≥ 2,500/s", met: median(stored) >= 2500,
			note: fmt.Sprintf("64 connections, p99 %.1f ms", median(p99)),
		}, row{
			work: "signed reply → understood, next question at the provider, " + where, got: median(replies), unit: "replies/s", goal: "≥ 2,500/s",
			met: median(replies) >= 2500, note: "with the whole delivery of that question",
		})
	}
	return nil
}

// idleRuns of the latency of an idle gateway.
const idleRuns = 20

// latency is the median time from a request to its message at the provider, one at a time, in milliseconds.
func (b *bench) latency(ctx context.Context, g, stub *process, channel string) (float64, error) {
	var took []float64
	l := load{url: g.url, key: benchKey, channel: channel}
	for i := range idleRuns {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"/v1/sends", strings.NewReader(string(l.order(nil, i))))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+benchKey)
		req.Header.Set("Content-Type", "application/json")
		start := time.Now()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			return 0, fmt.Errorf("accept: %s %s", resp.Status, text)
		}
		if err := stub.wait(ctx, i+1); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(start).Microseconds())/1000)
	}
	return median(took), nil
}

// A process is one of ours.
type process struct {
	cmd   *exec.Cmd
	url   string
	extra string // what else it said at start
	after func()
}

// role starts a helper process and reads where it listens.
func (b *bench) role(ctx context.Context, name string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, "role", name) //nolint:gosec // ourselves
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	where, extra, _ := strings.Cut(strings.TrimSpace(line), " ")
	return &process{cmd: cmd, url: where, extra: strings.TrimSpace(extra)}, nil
}

// senders is the configuration of a gateway that reaches this stub.
func (p *process) senders(channel string) string {
	if channel == "email" {
		return `  sms: {channel: email, driver: smtp, url: "smtp://` + p.extra + `?tls=none", from: "Lipa <ankete@lipa.example>", concurrency: 32}` + "\n"
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
	text := "listen: " + listen + "\npublic_url: http://" + listen + "\ndata_dir: " + dir + "\nlog_level: error\npolicy: {window: none, cooldown: none}\nsenders:\n" + senders
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.binary, "serve", "--config", file, "--roles", roles) //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), "ODZIV_BOOTSTRAP_KEY="+benchKey, "ODZIV_DATABASE_URL="+db, "ODZIV_REDIS_URL="+engine)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, url: "http://" + listen, after: drop}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/readyz", nil)
		if err != nil {
			return nil, err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p, nil
			}
		}
	}
	p.stop()
	return nil, errors.New("the gateway is not ready after 20 s")
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

// wait returns when the stub has n messages, or with an error after two minutes.
func (p *process) wait(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/wait?n="+strconv.Itoa(n), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the provider did not get %d messages: %w", n, err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// peak is the most memory that the process ever had, in MB.
func (p *process) peak() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+)`).FindSubmatch(text)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseFloat(string(m[1]), 64)
	return kb / 1024
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	done := make(chan struct{})
	go func() {
		_ = p.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
	if p.after != nil {
		p.after()
	}
}

func progress(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
