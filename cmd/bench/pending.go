package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A backlog is the measurement of many sends that wait on one slow lane: what they cost while they wait, whom they hold
// up, and how fast they end.
type backlog struct {
	*bench
	n     int           // sends
	watch time.Duration // how long the lane is looked at
}

// runPending is the role that measures nothing else:
//
//	go run ./cmd/bench role pending [-n 1000000] [-watch 1m] [-append docs/benchmarks.md]
func runPending(ctx context.Context, args []string) (err error) {
	l := backlog{bench: &bench{setup: setup{
		database: os.Getenv("ODZIV_TEST_DATABASE_URL"), redis: os.Getenv("ODZIV_TEST_REDIS_URL"), rounds: 1,
	}}}
	var to string
	f := flag.NewFlagSet("pending", flag.ContinueOnError)
	f.IntVar(&l.n, "n", 1000000, "sends that wait")
	f.DurationVar(&l.watch, "watch", time.Minute, "how long to look at the lane")
	f.StringVar(&to, "append", "", "put the table into this file, in the place of an earlier one")
	if err := f.Parse(args); err != nil {
		return err
	}
	l.seconds = l.watch
	if l.dir, err = os.MkdirTemp("", "odziv-pending-"); err != nil {
		return err
	}
	defer os.RemoveAll(l.dir)
	l.binary = filepath.Join(l.dir, "odziv")
	build := exec.CommandContext(ctx, "go", "build", "-o", l.binary, "./cmd/odziv") //nolint:gosec // ourselves
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if err := l.run(ctx); err != nil {
		return err
	}
	text := section(l.table(), l.n)
	say("%s", text)
	if to == "" {
		return nil
	}
	return putSection(to, text)
}

const pendingTitle = "## Many sends that wait"

// section makes a part of a document of a table.
func section(table string, n int) string {
	_, rows, _ := strings.Cut(table, "| work |")
	return fmt.Sprintf("%s\n\nMade by `go run ./cmd/bench role pending` on %s: %d sends wait on one lane whose rate is 10/s, batch accepted, all due; %s.\n\n| work |%s",
		pendingTitle, time.Now().Format("2006-01-02"), n, processor(), rows)
}

// putSection replaces the section at the end of a document, or adds it.
func putSection(path, text string) error {
	old, err := os.ReadFile(path) //nolint:gosec // the caller's own
	if err != nil {
		return err
	}
	before, _, _ := bytes.Cut(old, []byte(pendingTitle))
	return os.WriteFile(path, append(append(bytes.TrimRight(before, "\n"), "\n\n"...), text...), 0o644) //nolint:gosec // a document
}

func (l *backlog) run(ctx context.Context) error {
	for _, kind := range l.stores() {
		if err := l.once(ctx, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// A provider is a Twilio that remembers when each message came.
type provider struct {
	mu sync.Mutex
	at []time.Time // guarded by mu
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	p.mu.Lock()
	p.at = append(p.at, time.Now())
	n := len(p.at)
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"sid":"SM%032d","status":"queued","num_segments":"1"}`, n)
}

func (p *provider) times() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.at)
}

// most is the greatest number of messages in any second, wherever it begins.
func most(at []time.Time) int {
	best, from := 0, 0
	for to := range at {
		for at[to].Sub(at[from]) >= time.Second {
			from++
		}
		best = max(best, to-from+1)
	}
	return best
}

// once fills one database, looks, cancels, and looks again.
func (l *backlog) once(ctx context.Context, kind string) error {
	sms := new(provider)
	twilio := httptest.NewServer(sms)
	defer twilio.Close()
	mail, err := l.role(ctx, "smtp")
	if err != nil {
		return err
	}
	defer mail.stop()
	engine, stop, err := ownRedis(ctx, l.dir)
	if err != nil {
		return err
	}
	defer stop()
	senders := fmt.Sprintf("  sms: {channel: sms, driver: twilio, base_url: %q, account_sid: %s, auth_token: %q, from: \"+385998765432\", rate: [\"10/s\"]}\n",
		twilio.URL, accountSID, authToken)
	senders += strings.Replace(mail.senders("email"), "  sms:", "  mail:", 1)
	g, err := l.gateway(ctx, kind, engine, senders, "api,worker")
	if err != nil {
		return err
	}
	defer g.stop()
	before, memory := g.resident(), redisMemory(ctx, engine)
	filled, err := l.load(ctx, g.url, "batch", "-limit", strconv.Itoa(l.n), "-channel", "sms", "-seconds", "20m")
	if err != nil {
		return err
	}
	progress("pending %s: filled at %.0f/s", kind, rate(filled))
	if err := l.look(ctx, kind, g, sms, engine, before, memory); err != nil {
		return err
	}
	return l.end(ctx, kind, g, sms)
}

// look measures what the backlog costs and whom it holds up.
func (l *backlog) look(ctx context.Context, kind string, g *process, sms *provider, engine string, before, memory float64) error {
	if err := pause(ctx, 5*time.Second); err != nil { // what filling left behind is over
		return err
	}
	start, atStart := time.Now(), g.resident()
	var other []float64
	for i := range 10 {
		d, err := latencyOf(ctx, g.url, ask("email", i, ""), 30*time.Second)
		if err != nil {
			return fmt.Errorf("a send on another lane: %w", err)
		}
		other = append(other, float64(d.Microseconds())/1000)
	}
	single, err := latencyOf(ctx, g.url, ask("sms", 1000, ""), min(l.watch, 30*time.Second))
	if errors.Is(err, errLate) {
		single, err = min(l.watch, 30*time.Second), nil
	}
	if err != nil {
		return fmt.Errorf("a single send on the lane: %w", err)
	}
	if err := pause(ctx, time.Until(start.Add(l.watch))); err != nil {
		return err
	}
	at := sms.times()
	at = slices.DeleteFunc(at, func(t time.Time) bool { return t.Before(start) })
	seconds := time.Since(start).Seconds()
	after, memoryAfter := g.resident(), redisMemory(ctx, engine)
	name := fmt.Sprintf("%d pending, %s: ", l.n, kind)
	got, top := float64(len(at))/seconds, most(at)
	slices.Sort(other)
	l.rows = append(l.rows,
		row{
			work: fmt.Sprintf("%smessages at the provider in %.0f s", name, seconds), got: float64(len(at)), unit: "messages",
			goal: fmt.Sprintf("%.0f, never more than 10 in a second", 10*seconds), met: top <= 10 && got >= 9.5, note: fmt.Sprintf("at most %d in any second", top),
		},
		row{work: name + "memory of the gateway", got: after, unit: "MB", goal: "flat while it works", met: after < atStart+32, note: fmt.Sprintf("idle and empty %.0f MB, after filling %.0f MB", before, atStart)},
		row{work: name + "memory of Redis", got: memoryAfter, unit: "KB", goal: "flat", met: memoryAfter < memory+4096, note: fmt.Sprintf("empty %.0f KB", memory)},
		row{work: name + "due send on another lane, POST → attempt", got: median(other), unit: "ms", goal: "< 100 ms", met: median(other) < 100, note: fmt.Sprintf("the slowest of %d: %.0f ms", len(other), other[len(other)-1])},
		row{work: name + "single send on the same lane, POST → attempt", got: float64(single.Milliseconds()), unit: "ms", goal: "< 1,500 ms: before all of the batches", met: single < 1500*time.Millisecond})
	progress("pending %s: %.1f/s, at most %d in a second; gateway %.0f → %.0f MB, Redis %.0f → %.0f KB; other lane %.0f ms, single %s",
		kind, got, top, atStart, after, memory, memoryAfter, median(other), single)
	return nil
}

// end cancels the whole survey while others are accepted, and looks whether the next one leaves on time.
func (l *backlog) end(ctx context.Context, kind string, g *process, sms *provider) error {
	accepting, stop := context.WithCancel(ctx)
	var took []time.Duration
	var wg sync.WaitGroup
	wg.Go(func() { // one at a time: how long does each wait for the writer?
		for i := 2000; accepting.Err() == nil; i++ {
			start := time.Now()
			if err := post(accepting, g.url+"/v1/sends", ask("email", i, ""), nil); err == nil {
				took = append(took, time.Since(start))
			}
			_ = pause(accepting, 20*time.Millisecond)
		}
	})
	start := time.Now()
	cancelled, calls := 0, 0
	for more := true; more; calls++ {
		var answer struct {
			Cancelled int
			More      bool
		}
		if err := post(ctx, g.url+"/v1/sends/cancel", `{"survey":"nps-after-purchase"}`, &answer); err != nil {
			stop()
			wg.Wait()
			return fmt.Errorf("cancel: %w", err)
		}
		cancelled += answer.Cancelled
		more = answer.More
	}
	seconds := time.Since(start).Seconds()
	stop()
	wg.Wait()
	sent := len(sms.times())
	slices.Sort(took)
	var p99 time.Duration
	if len(took) > 0 {
		p99 = took[len(took)*99/100]
	}
	late, err := latencyOf(ctx, g.url, ask("sms", 1001, "2s"), 30*time.Second)
	if err != nil {
		return fmt.Errorf("the next due send: %w", err)
	}
	late -= 2 * time.Second
	name := fmt.Sprintf("%d pending, %s: ", l.n, kind)
	l.rows = append(l.rows,
		row{work: name + "cancel of the survey", got: seconds, unit: "s", goal: "seconds: < 60 s", met: seconds < 60 && cancelled+sent >= l.n, note: fmt.Sprintf("%d cancelled in %d calls, %d sent before", cancelled, calls, sent)},
		row{work: name + "accept of a single send meanwhile, p99", got: float64(p99.Milliseconds()), unit: "ms", goal: "< 1,000 ms", met: p99 < time.Second, note: fmt.Sprintf("%d of them", len(took))},
		row{work: name + "next due send of another survey after the cancel, late by", got: float64(late.Milliseconds()), unit: "ms", goal: "< 500 ms", met: late < 500*time.Millisecond})
	progress("pending %s: %d cancelled in %.1f s and %d calls; accept p99 %s meanwhile; the next one late by %s", kind, cancelled, seconds, calls, p99, late)
	return nil
}

// ask is the body of one send of another survey; delay is "" or a duration.
func ask(channel string, i int, delay string) string {
	if delay != "" {
		delay = `,"delay":"` + delay + `"`
	}
	return fmt.Sprintf(`{"survey":"csat-after-support","recipient":{"phone":"+38598%07d","email":"iva%d@example.hr"},"channels":[%q]%s}`, 1000000+i, i, channel, delay)
}

// errLate says that a send did not leave in the time given.
var errLate = errors.New("it did not leave in time")

// latencyOf accepts a send and gives the time from the call to its first attempt.
func latencyOf(ctx context.Context, gateway, body string, limit time.Duration) (time.Duration, error) {
	start := time.Now()
	var accepted struct{ ID string }
	if err := post(ctx, gateway+"/v1/sends", body, &accepted); err != nil {
		return 0, err
	}
	for time.Since(start) < limit {
		var s struct{ Attempts []struct{ At time.Time } }
		if err := call(ctx, http.MethodGet, gateway+"/v1/sends/"+accepted.ID, "", &s); err != nil {
			return 0, err
		}
		if len(s.Attempts) > 0 {
			return s.Attempts[0].At.Sub(start), nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, errLate
}

func post(ctx context.Context, url, body string, into any) error {
	return call(ctx, http.MethodPost, url, body, into)
}

// call makes a call of the API and decodes the answer; into may be nil.
func call(ctx context.Context, method, url, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+benchKey)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s: %.300s", resp.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// resident is the memory that the process has now, in MB.
func (p *process) resident() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+)`).FindSubmatch(text)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseFloat(string(m[1]), 64)
	return kb / 1024
}

// ownRedis starts a server that nobody else uses; its memory is then the backlog's. Without the program, "" is the Redis in the
// process of the gateway.
func ownRedis(ctx context.Context, dir string) (url string, stop func(), err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", func() {}, nil // there is another
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	addr := ln.Addr().(*net.TCPAddr)
	_ = ln.Close()
	cmd := exec.CommandContext(ctx, path, "--port", strconv.Itoa(addr.Port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir) //nolint:gosec // found on PATH
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	client := redis.NewClient(&redis.Options{Addr: addr.String()})
	defer client.Close()
	for range 100 {
		if client.Ping(ctx).Err() == nil {
			return "redis://" + addr.String() + "/0", stop, nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			break
		}
	}
	stop()
	return "", nil, errors.New("redis-server does not start")
}

// redisMemory is what a server uses for its data, in KB; 0 when there is none.
func redisMemory(ctx context.Context, url string) float64 {
	options, err := redis.ParseURL(url)
	if err != nil {
		return 0
	}
	client := redis.NewClient(options)
	defer client.Close()
	text, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`(?m)^used_memory:(\d+)`).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	return n / 1024
}
