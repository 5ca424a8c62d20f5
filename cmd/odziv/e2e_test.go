package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/odziv/odziv/channels/channeltest"
	"github.com/odziv/odziv/store/storetest"
)

// TestMain lets the test binary be the program: a process that can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("ODZIV_TEST_BE_THE_PROGRAM") == "yes" {
		main()
	}
	os.Exit(m.Run())
}

const bootstrapKey = "odz_live_0123456789abcdefghijklmnopqrstuv"

// A process is a gateway that can be killed and started again on the same data.
type process struct {
	t      *testing.T
	dir    string
	listen string
	env    []string
	cmd    *exec.Cmd
	log    *logFile
	exited chan struct{} // closed when cmd has ended
	err    error         // of cmd, once exited
}

// A logFile keeps what all runs of a process wrote.
type logFile struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newProcess prepares a process that has not begun.
func newProcess(t *testing.T, config string, env ...string) *process {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := ln.Addr().String()
	_ = ln.Close()
	p := &process{t: t, dir: t.TempDir(), listen: listen, log: new(logFile)}
	p.rewrite(config)
	p.env = append(append(os.Environ(), "ODZIV_TEST_BE_THE_PROGRAM=yes", "ODZIV_BOOTSTRAP_KEY="+bootstrapKey), env...)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			text := p.log.String()
			t.Logf("log of the gateway:\n%s", text[max(0, len(text)-6000):])
		}
	})
	return p
}

// rewrite sets the configuration of the next start, all but where it listens and keeps its data.
func (p *process) rewrite(config string) {
	p.t.Helper()
	config = "listen: " + p.listen + "\npublic_url: http://" + p.listen + "\ndata_dir: " + p.dir + "\n" + config
	if err := os.WriteFile(filepath.Join(p.dir, "odziv.yaml"), []byte(config), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) url() string { return "http://" + p.listen }

// start runs the gateway and waits until it is ready.
func (p *process) start() {
	p.t.Helper()
	p.run()
	p.await("the gateway is ready", 30*time.Second, func() (string, bool) {
		select {
		case <-p.exited:
			p.t.Fatalf("the gateway ended at start: %v\n%s", p.err, p.log)
		default:
		}
		resp, err := http.Get(p.url() + "/readyz")
		if err != nil {
			return err.Error(), false
		}
		defer resp.Body.Close()
		return resp.Status, resp.StatusCode == http.StatusOK
	})
}

func (p *process) run() {
	p.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.CommandContext(context.Background(), exe, "serve", "--config", filepath.Join(p.dir, "odziv.yaml")) //nolint:gosec // ourselves
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	exited := make(chan struct{})
	p.exited = exited
	cmd := p.cmd
	go func() {
		p.err = cmd.Wait()
		close(exited)
	}()
}

// kill is kill -9.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// await looks until done says so.
func (p *process) await(what string, limit time.Duration, done func() (seen string, ok bool)) {
	p.t.Helper()
	await(p.t, what, limit, done)
}

func await(t *testing.T, what string, limit time.Duration, done func() (seen string, ok bool)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for {
		seen, ok := done()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within %s; last seen: %s", what, limit, seen)
		}
	}
}

// call makes a request with the bootstrap key and decodes the answer; it gives the status.
func (p *process) call(method, path string, body, into any) int {
	p.t.Helper()
	status, text := request(p.t, method, p.url()+path, bootstrapKey, body)
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			p.t.Fatalf("%s %s: %d %s: %v", method, path, status, text, err)
		}
	}
	return status
}

func request(t *testing.T, method, url, key string, body any) (int, []byte) {
	t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, text
}

type sendItem struct {
	ID, Status, Reason string
	Transaction        struct{ ID string }
	Attempts           []struct{ ID, Kind, Channel, Sender, Status string }
}

// sends lists all sends with their attempts when with is set.
func (p *process) sends(with bool) []sendItem {
	p.t.Helper()
	var all []sendItem
	for cursor := ""; ; {
		var page struct {
			Items []sendItem
			Next  string
		}
		p.call(http.MethodGet, "/v1/sends?limit=200&cursor="+url.QueryEscape(cursor), nil, &page)
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if with {
		for i := range all {
			p.call(http.MethodGet, "/v1/sends/"+all[i].ID, nil, &all[i])
		}
	}
	return all
}

// providers are a mail server, Twilio and Viber that check every request.
type providers struct {
	smtp   *channeltest.SMTP
	twilio *channeltest.Twilio
	viber  *channeltest.Viber
}

const (
	twilioSID   = "AC0123456789abcdef0123456789abcdef"
	twilioToken = "12345678901234567890123456789012"
	viberToken  = "4453b6ac12345678-e02c5f12174805f9-daec9cbb5448c51f"
	twilioFrom  = "+385998765432"
)

// newProviders starts them. The webhook of Viber is known only once the gateway has its address.
func newProviders(t *testing.T, faults channeltest.Faults, listen string) *providers {
	t.Helper()
	ps := new(providers)
	var err error
	back := channeltest.Callbacks{Retries: 50, Pause: 100 * time.Millisecond}
	if ps.smtp, err = channeltest.NewSMTP(channeltest.SMTPConfig{Faults: faults}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ps.smtp.Close() })
	ps.twilio, err = channeltest.NewTwilio(channeltest.TwilioConfig{
		AccountSID: twilioSID, AuthToken: twilioToken, From: twilioFrom, Faults: faults, Callbacks: back,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ps.twilio.Close() })
	ps.viber, err = channeltest.NewViber(channeltest.ViberConfig{
		AuthToken: viberToken, Webhook: "http://" + listen + "/webhooks/viber-bot/bot", Faults: faults, Callbacks: back,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ps.viber.Close() })
	return ps
}

func (ps *providers) count() int { return ps.smtp.Count() + ps.twilio.Count() + ps.viber.Count() }

// config is of the senders that reach these providers.
func (ps *providers) config(concurrency int) string {
	return fmt.Sprintf(`
senders:
  mail: {channel: email, driver: smtp, url: "%s?tls=none", from: "Lipa <ankete@lipa.example>", concurrency: %[2]d}
  sms: {channel: sms, driver: twilio, base_url: "%[3]s", account_sid: %[4]s, auth_token: "%[5]s", from: "%[6]s", concurrency: %[2]d}
  bot: {channel: viber, driver: viber-bot, base_url: "%[7]s", auth_token: "%[8]s", name: Lipa, concurrency: %[2]d}
policy: {window: none, cooldown: none}
brand: {name: Lipa}
dispatch: {lease: 2s, poll: 50ms, drain: 10s}
`, "smtp://"+strings.TrimPrefix(strings.Split(ps.smtp.URL(), "?")[0], "smtp://"), concurrency, ps.twilio.URL(), twilioSID, twilioToken, twilioFrom, ps.viber.URL(), viberToken)
}

func (ps *providers) check(t *testing.T) {
	t.Helper()
	for name, p := range map[string]*channeltest.Provider{"smtp": ps.smtp.Provider, "twilio": ps.twilio.Provider, "viber": ps.viber.Provider} {
		if list, total := p.Violations(); total > 0 {
			t.Errorf("%s: %d requests were not as its provider wants them: %s", name, total, strings.Join(list[:min(3, len(list))], "; "))
		}
	}
}

// engines runs fn on every database, each with a Redis of its own: embedded parts, and real ones where they are. ODZIV_TEST_E2E names
// the only one.
func engines(t *testing.T, fn func(t *testing.T, env []string, redis string)) {
	only := os.Getenv("ODZIV_TEST_E2E")
	for _, name := range storetest.Names(t) {
		if only != "" && name != only {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			redis := ""
			if os.Getenv("ODZIV_TEST_REDIS_URL") != "" {
				redis = storetest.RedisURL(t)
			}
			fn(t, []string{"ODZIV_DATABASE_URL=" + cfg.URL, "ODZIV_REDIS_URL=" + redis}, redis)
		})
	}
}

// sendOrders runs «odziv send» over a copy of the example orders; it gives the exit code and the refused lines.
func sendOrders(ctx context.Context, t *testing.T, url string, extra ...string) (code int, rejected string, said string) {
	t.Helper()
	text, err := os.ReadFile("../../examples/orders.csv")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(file, text, 0o600); err != nil { //nolint:gosec // a folder of the test
		t.Fatal(err)
	}
	var out logFile
	args := append([]string{"send", file, "--url", url, "--key", bootstrapKey, "--survey", "nps-after-purchase"}, extra...)
	code = run(ctx, args, &streams{Out: &out, Err: &out, In: strings.NewReader(""), Getenv: func(string) string { return "" }})
	refused, err := os.ReadFile(filepath.Join(filepath.Dir(file), "orders.rejected.csv"))
	if err != nil && code != 1 {
		t.Fatalf("exit %d: %v\n%s", code, err, out.String())
	}
	return code, string(refused), out.String()
}

func TestE2EShutdownAtStart(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "")
	p.run()
	// Whatever it is doing by now: opening the store, migrating, or just serving.
	await(t, "it has begun", 10*time.Second, func() (string, bool) {
		files, _ := filepath.Glob(filepath.Join(p.dir, "odziv.db*"))
		return fmt.Sprint(files), len(files) > 0
	})
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		t.Fatal("SIGTERM at start was not heard")
	}
}
