package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/channels/channeltest"
)

// What the gateway is told.
const (
	apiKey      = "odz_live_chaoschaoschaoschaoschaoschaos" //nolint:gosec // of gateways that live for minutes
	twilioSID   = "AC0123456789abcdef0123456789abcdef"
	twilioToken = "12345678901234567890123456789012"
	twilioFrom  = "+385998765432"
	mailRate    = 100 // per second
)

// A world is one run on one store: servers, processes, providers, people, and what they saw.
type world struct {
	setup
	form
	store  string
	dir    string
	binary string
	out    io.Writer

	redis   *server
	rdb     *redis.Client
	pg      *server // nil with SQLite
	dbURL   string  // "" with SQLite
	twilio  *channeltest.Twilio
	mail    *channeltest.SMTP
	api     *node
	nodes   []*node // all, api too
	client  *http.Client
	chance  *rand.Rand      // of what is planned before the run
	people  atomic.Int64    // how many do something
	settled time.Time       // when nothing was to be waited for any more
	load    context.Context //nolint:containedctx // of what people begin: the providers' stubs know none
	whole   context.Context //nolint:containedctx // of what they have begun

	mu        sync.Mutex
	ids       map[string]string    // guarded by mu: transaction → send
	asked     int                  // guarded by mu
	refused   int                  // guarded by mu: their time was over when they were asked for
	wrong     []string             // guarded by mu: answers that break the contract
	byPhone   map[string]*order    // fixed
	messages  map[string]int       // guarded by mu: phone → SMS taken
	cancelled map[string]time.Time // guarded by mu: send → when that was confirmed
	stopped   map[string]time.Time // guarded by mu: phone → when its STOP was answered
	silenced  map[string]bool      // guarded by mu: attempts of which no receipt comes
	failed    map[string]bool      // guarded by mu: attempts whose receipt says that they did not arrive
	upsets    []span               // guarded by mu: when Redis forgot
	outages   []span               // guarded by mu: when a server was away
	stalls    []stall              // guarded by mu: when this machine stood still
	restarts  map[string]int       // guarded by mu
}

// A span is from the moment when something began to that when it was over.
type span struct{ from, to time.Time }

// run starts everything, breaks it, waits until it is still, and looks.
func (w *world) run(ctx context.Context) (*report, error) {
	w.ids, w.messages, w.silenced, w.failed = map[string]string{}, map[string]int{}, map[string]bool{}, map[string]bool{}
	w.cancelled, w.stopped, w.restarts = map[string]time.Time{}, map[string]time.Time{}, map[string]int{}
	w.byPhone = map[string]*order{}
	w.client = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Second}}
	w.chance = rand.New(rand.NewPCG(w.seed, uint64(len(w.store)))) //nolint:gosec // repeatable on purpose
	if err := os.Mkdir(w.dir, 0o755); err != nil {                 //nolint:gosec // another user runs PostgreSQL below it
		return nil, err
	}
	began := time.Now()
	defer w.end()
	if err := w.servers(ctx); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	var procs sync.WaitGroup
	defer procs.Wait()
	defer stop()
	if err := w.processes(running, &procs); err != nil {
		return nil, err
	}
	procs.Go(func() { w.watchMachine(running) })
	if err := w.storm(ctx); err != nil {
		return nil, err
	}
	still, err := w.settle(ctx)
	if err != nil {
		return nil, err
	}
	w.settled = time.Now()
	listed, err := w.listed(ctx)
	if err != nil {
		return nil, err
	}
	stop()
	procs.Wait()
	t, err := w.truth(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	return w.judge(t, listed, still, time.Since(began)), nil
}

// say tells what goes on.
func (w *world) say(format string, args ...any) {
	_, _ = fmt.Fprintf(w.out, "chaos %s: %s\n", w.store, fmt.Sprintf(format, args...))
}

// servers starts Redis, PostgreSQL and the providers.
func (w *world) servers(ctx context.Context) (err error) {
	if w.redis, w.rdb, err = newRedis(ctx, w.dir); err != nil {
		return err
	}
	if err := w.redis.start(ctx); err != nil {
		return err
	}
	if w.store == postgresStore {
		if w.pg, w.dbURL, err = newPostgres(ctx, w.dir); err != nil {
			return err
		}
		if err := w.pg.start(ctx); err != nil {
			return err
		}
	}
	w.twilio, err = channeltest.NewTwilio(channeltest.TwilioConfig{ //nolint:contextcheck // it lives until it is closed
		AccountSID: twilioSID, AuthToken: twilioToken, From: twilioFrom,
		Faults: channeltest.Faults{
			Seed: w.seed, ServerError: .05, Throttled: .03, RetryAfter: time.Second, Silent: .5, Spell: 5 * w.perSecond, Timeout: .05, HangFor: 1500 * time.Millisecond,
			Reset: .005, Drop: .005, Refused: .01, Slow: .05, SlowBy: 300 * time.Millisecond,
		},
		Callbacks: channeltest.Callbacks{Retries: 2, Pause: 300 * time.Millisecond, Script: w.receipts},
	})
	if err != nil {
		return err
	}
	w.mail, err = channeltest.NewSMTP(channeltest.SMTPConfig{Faults: channeltest.Faults{ //nolint:contextcheck // likewise
		Seed: w.seed, ServerError: .05, Throttled: .03, Spell: mailRate, Timeout: .02, HangFor: 1500 * time.Millisecond, Reset: .005, Drop: .005, Refused: .01,
		Slow: .05, SlowBy: 300 * time.Millisecond,
	}})
	return err
}

// processes starts the gateway: one process on SQLite, which belongs to one; else one for HTTP and three workers.
func (w *world) processes(ctx context.Context, procs *sync.WaitGroup) error {
	roles := map[string]string{"api": "api,webhooks,worker"}
	if w.pg != nil {
		roles = map[string]string{"api": "api,webhooks", "worker-1": "worker", "worker-2": "worker", "worker-3": "worker"}
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	public := "http://127.0.0.1:" + strconv.Itoa(port)
	grace, err := w.takes(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"api", "worker-1", "worker-2", "worker-3"} {
		if roles[name] == "" {
			continue
		}
		own := port
		if name != "api" {
			if own, err = freePort(ctx); err != nil {
				return err
			}
		}
		n, err := w.node(name, roles[name], own, public, grace)
		if err != nil {
			return err
		}
		if w.nodes = append(w.nodes, n); name == "api" {
			w.api = n
		}
		procs.Go(func() { n.supervise(ctx) })
		if err := w.await(ctx, name+" is ready", 30*time.Second, func() bool { return n.ready(ctx, w.client) }); err != nil {
			return fmt.Errorf("%w: %s", err, n.log.last())
		}
	}
	return nil
}

// node writes the configuration of a process.
func (w *world) node(name, roles string, port int, public, grace string) (*node, error) {
	file := filepath.Join(w.dir, name+".yaml")
	text := fmt.Sprintf(`listen: 127.0.0.1:%d
public_url: %s
data_dir: %s
log_level: warn
senders:
  sms: {channel: sms, driver: twilio, base_url: "%s", account_sid: %s, auth_token: "%s", from: "%s", rate: ["%d/s", "%d/min"], concurrency: 32}
  mail: {channel: email, driver: smtp, url: "%s", from: "Lipa <ankete@lipa.example>", rate: ["%d/s"], concurrency: 16}
policy: {window: none, cooldown: none}
brand: {name: Lipa}
dispatch: {lease: %s, poll: 50ms, drain: 10s%s}
`, port, public, w.dir, w.twilio.URL(), twilioSID, twilioToken, twilioFrom, w.perSecond, w.perMinute, w.mail.URL(), mailRate, w.lease, grace)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	n := &node{
		name: name, url: "http://127.0.0.1:" + strconv.Itoa(port), binary: w.binary, args: []string{"serve", "--config", file, "--roles", roles}, log: new(tail),
		env: []string{"ODZIV_BOOTSTRAP_KEY=" + apiKey, "ODZIV_DATABASE_URL=" + w.dbURL, "ODZIV_REDIS_URL=redis://" + w.rdb.Options().Addr + "/0"},
	}
	if w.keep != "" {
		f, err := os.Create(filepath.Join(w.keep, w.store+"-"+name+".log")) //nolint:gosec // as the command line says
		if err != nil {
			return nil, err
		}
		n.log.to = f
	}
	return n, nil
}

// takes gives those of the settings for uncertain attempts that the configuration has.
func (w *world) takes(ctx context.Context) (string, error) {
	wanted := []string{"uncertain_grace: " + w.grace.String(), "look_up: " + w.lookUp.String()}
	probe, err := w.node("probe", "worker", 1, "http://127.0.0.1", ", "+strings.Join(wanted, ", "))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, probe.binary, "migrate", "--config", filepath.Join(w.dir, "probe.yaml")) //nolint:gosec // our own words
	cmd.Env = append(os.Environ(), probe.env...)
	said, err := cmd.CombinedOutput()
	if err == nil {
		return ", " + strings.Join(wanted, ", "), nil
	}
	left := []string{""}
	for _, s := range wanted {
		if name, _, _ := strings.Cut(s, ":"); !strings.Contains(string(said), name) {
			left = append(left, s)
		} else if name == "uncertain_grace" {
			w.grace = 0
		}
	}
	return strings.Join(left, ", "), nil
}

// await looks until ok says so.
func (w *world) await(ctx context.Context, what string, limit time.Duration, ok func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			return fmt.Errorf("%s: not within %s", what, limit)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// end stops what servers started.
func (w *world) end() {
	if w.twilio != nil {
		_ = w.twilio.Close()
	}
	if w.mail != nil {
		_ = w.mail.Close()
	}
	if w.rdb != nil {
		_ = w.rdb.Close()
	}
	if w.redis != nil {
		w.redis.stop(syscall.SIGKILL)
	}
	if w.pg != nil {
		w.pg.stop(syscall.SIGINT)
	}
	w.client.CloseIdleConnections()
}
