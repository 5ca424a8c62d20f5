package channeltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxViolations bounds what is kept of them; the rest is counted.
const maxViolations = 100

// Faults says how often a provider misbehaves. Each is a share of requests, 0 to 1; their sum is at most 1.
type Faults struct {
	Seed        uint64        // the same seed gives the same faults in the same order
	ServerError float64       // 500 with the provider's own code, or SMTP 451: not taken
	Throttled   float64       // 429 or SMTP 450 4.7.1: not taken
	RetryAfter  time.Duration // named with Throttled; 0 = none
	Silent      float64       // of the Throttled ones: they do not name RetryAfter
	Spell       int           // the Throttled ones come at the end of so many requests, eight of ten there; 0 = at any time
	Timeout     float64       // taken, but no answer comes
	HangFor     time.Duration // of Timeout: then the connection is reset; 0 = until the client gives up
	Reset       float64       // taken, and the connection is reset instead of an answer
	Drop        float64       // not taken: the connection is reset before the request is looked at
	Refused     float64       // no such person: Twilio 21211, Viber 5, SMTP 550 5.1.1
	Slow        float64       // taken, and the answer comes after SlowBy
	SlowBy      time.Duration
}

// A fate is what happens to one request.
type fate int

const (
	taken fate = iota
	serverError
	throttled
	timeout
	reset
	drop
	refused
	slow
)

// A Received is a message that a provider has taken.
type Received struct {
	ID        string // the provider's
	AttemptID string // ours, from the status URL, tracking data or Message-ID
	To        string
	From      string
	Subject   string // mail only
	Text      string
	HTML      string   // mail only
	Keys      []string // what the keys of a Viber keyboard send
	StatusURL string   // Twilio only
	Raw       []byte   // mail only, and only with SMTPConfig.KeepRaw
	At        time.Time
}

// A Provider is what the servers have in common: what was taken, what was wrong with it, and faults. Safe for
// concurrent use.
type Provider struct {
	mu         sync.Mutex
	changed    chan struct{} // guarded by mu: closed when something changes
	all        []Received
	byTo       map[string]int
	byAttempt  map[string]int
	requests   []time.Time // when each came
	called     int
	lost       int
	lookups    int
	violations []string
	violated   int
	faults     Faults
	random     *rand.Rand

	stop  chan struct{} // closed by Close
	begun sync.Mutex    // whoever begins callbacks; nobody does when stop is closed
	wg    sync.WaitGroup
	slots chan struct{} // one for each callback under way
	http  *http.Client
}

func newProvider(f Faults) *Provider {
	p := &Provider{
		changed: make(chan struct{}), byTo: map[string]int{}, byAttempt: map[string]int{}, stop: make(chan struct{}),
		slots: make(chan struct{}, 32),
		http: &http.Client{
			Timeout:   15 * time.Second, // Twilio's own limit
			Transport: &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 5 * time.Second},
		},
	}
	p.SetFaults(f)
	return p
}

// SetFaults changes the faults from the next request on.
func (p *Provider) SetFaults(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults, p.random = f, rand.New(rand.NewPCG(f.Seed, 1)) //nolint:gosec // repeatable on purpose
}

// draw decides what happens to the next request.
func (p *Provider) draw() (fate, Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, x := p.faults, p.random.Float64()
	if f.Spell > 0 {
		f.Throttled = f.spelled(len(p.requests))
	}
	p.requests = append(p.requests, time.Now())
	if f.Silent > 0 && p.random.Float64() < f.Silent {
		f.RetryAfter = 0
	}
	for i, share := range []float64{f.ServerError, f.Throttled, f.Timeout, f.Reset, f.Drop, f.Refused, f.Slow} {
		if x -= share; x < 0 {
			return fate(i + 1), f
		}
	}
	return taken, f
}

// spelled is the share of Throttled for the n-th request when they come in spells: as providers do, which throttle for a while.
func (f Faults) spelled(n int) float64 {
	const there = .8
	if float64(n%f.Spell) < float64(f.Spell)*(1-f.Throttled/there) {
		return 0
	}
	return there
}

// take notes a message.
func (p *Provider) take(r Received) {
	r.At = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, r)
	p.byTo[r.To]++
	p.byAttempt[r.AttemptID]++
	p.tell()
}

// violate notes what a request did against the provider's contract.
func (p *Provider) violate(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.violated++
	if len(p.violations) < maxViolations {
		p.violations = append(p.violations, fmt.Sprintf(format, args...))
	}
}

// Received gives the messages that were taken, in that order.
func (p *Provider) Received() []Received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// Last gives the message to this address that was taken last.
func (p *Provider) Last(to string) (Received, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range slices.Backward(p.all) {
		if r.To == to {
			return r, true
		}
	}
	return Received{}, false
}

// Count is how many messages were taken, Requests how many were made.
func (p *Provider) Count() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.all) }

// Requests is how many requests or mail transactions there were, whatever became of them.
func (p *Provider) Requests() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.requests) }

// Arrivals is when each of those requests came, in that order.
func (p *Provider) Arrivals() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// ByTo counts messages for each address.
func (p *Provider) ByTo() map[string]int { p.mu.Lock(); defer p.mu.Unlock(); return maps.Clone(p.byTo) }

// ByAttempt counts messages for each attempt id of ours: more than 1 is a message sent twice.
func (p *Provider) ByAttempt() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.byAttempt)
}

// Callbacks is how many callbacks were answered with 200 and how many were given up.
func (p *Provider) Callbacks() (done, lost int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.called, p.lost
}

// Violations lists what requests did against the provider's contract, the first hundred; total counts them all.
func (p *Provider) Violations() (list []string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.violations), p.violated
}

// Wait waits until n messages were taken.
func (p *Provider) Wait(ctx context.Context, n int) error {
	return p.until(ctx, n, "messages", func() int { return len(p.all) })
}

// WaitCallbacks waits until n callbacks were answered with 200 or given up.
func (p *Provider) WaitCallbacks(ctx context.Context, n int) error {
	return p.until(ctx, n, "callbacks", func() int { return p.called + p.lost })
}

func (p *Provider) until(ctx context.Context, n int, what string, count func() int) error {
	for {
		p.mu.Lock()
		got, changed := count(), p.changed
		p.mu.Unlock()
		if got >= n {
			return nil
		}
		select {
		case <-changed:
		case <-p.stop:
			return errors.New("provider is closed")
		case <-ctx.Done():
			return fmt.Errorf("%d of %d %s came: %w", got, n, what, context.Cause(ctx))
		}
	}
}

// tell wakes who waits. p.mu is held.
func (p *Provider) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait waits as long as d, or until the client is gone or the server closes.
func (p *Provider) wait(gone <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-gone:
	case <-p.stop:
	}
}

// misbehave plays the fates that need no knowledge of the provider; it reports whether the request is done with.
func (p *Provider) misbehave(w http.ResponseWriter, r *http.Request, f fate, set Faults) (done bool) {
	switch f {
	case timeout:
		p.wait(r.Context().Done(), set.hang())
		hangUp(w)
	case reset, drop:
		hangUp(w)
	case slow:
		p.wait(r.Context().Done(), set.SlowBy)
		return false
	case taken, serverError, throttled, refused:
		return false
	}
	return true
}

// hang is how long a client waits in vain.
func (f Faults) hang() time.Duration {
	if f.HangFor == 0 {
		return time.Hour
	}
	return f.HangFor
}

// retryAfter names the wait that set says.
func retryAfter(w http.ResponseWriter, set Faults) {
	if set.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(set.RetryAfter.Seconds())))
	}
}

// Callbacks says how a provider calls back.
type Callbacks struct {
	// Statuses are reported for each message, in this order; nil = «sent» and «delivered» (Twilio), «delivered» (Viber);
	// empty = none.
	Statuses  []string
	Duplicate bool          // each is sent twice
	Reorder   bool          // in the reverse order
	Retries   int           // of a callback that is not answered with 200
	Pause     time.Duration // between retries; 0 = 200 ms
	// Dial is host:port that is called in place of the URL's own host, over plain HTTP; "" = the URL's.
	Dial string
	// Script, when set, decides instead of Statuses what is reported of each message (Twilio). It runs while the request waits.
	Script func(Received) []Report
}

// A Report is one status of a message. Their order is that of After: one that is later in the list may come before.
type Report struct {
	After time.Duration // since the message was taken
	Word  string        // the provider's
	Code  string        // the ErrorCode, "" = none
	Lost  bool          // it happens, and nobody is told
}

// order is the statuses as they go out.
func (c Callbacks) order(standard ...string) []string {
	list := slices.Clone(c.Statuses)
	if c.Statuses == nil {
		list = standard
	}
	if c.Reorder {
		slices.Reverse(list)
	}
	if c.Duplicate {
		list = append(list, list...)
	}
	return list
}

// background runs do while a slot for callbacks is held; Close cancels it and waits for it.
func (p *Provider) background(do func(ctx context.Context)) { p.later(0, do) }

// later is background after a while.
func (p *Provider) later(after time.Duration, do func(ctx context.Context)) {
	p.begun.Lock()
	defer p.begun.Unlock()
	select {
	case <-p.stop: // a request that was under way
		return
	default:
	}
	p.wg.Go(func() {
		p.wait(nil, after)
		select {
		case p.slots <- struct{}{}:
		case <-p.stop:
			return
		}
		defer func() { <-p.slots }()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case <-p.stop:
				cancel()
			case <-ctx.Done():
			}
		}()
		do(ctx)
	})
}

// post makes one callback, and again as set says.
func (p *Provider) post(ctx context.Context, set Callbacks, target string, header http.Header, body string) error {
	pause := set.Pause
	if pause == 0 {
		pause = 200 * time.Millisecond
	}
	for try := 0; ; try++ {
		err := p.postOnce(ctx, set.Dial, target, header, body)
		p.mu.Lock()
		switch {
		case err == nil:
			p.called++
		case try >= set.Retries:
			p.lost++
		}
		p.tell()
		p.mu.Unlock()
		if err == nil || try >= set.Retries {
			return err
		}
		p.wait(ctx.Done(), pause)
		select {
		case <-p.stop:
			return err
		default:
		}
	}
}

func (p *Provider) postOnce(ctx context.Context, dial, target string, header http.Header, body string) error {
	u, err := url.Parse(target)
	if err != nil {
		return fmt.Errorf("callback URL: %w", err)
	}
	host := u.Host
	if dial != "" {
		u.Scheme, u.Host = "http", dial
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header, req.Host = header.Clone(), host
	res, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("callback was answered with %d", res.StatusCode)
	}
	return nil
}

// end stops waiting requests and callbacks.
func (p *Provider) end() {
	p.begun.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.begun.Unlock()
	p.wg.Wait()
	p.http.CloseIdleConnections()
}

// A web is the HTTP server of a provider.
type web struct {
	server *http.Server
	ln     net.Listener
	served chan struct{}
}

// listen serves h on address, or on a free port of 127.0.0.1.
func listen(address string, h http.Handler) (*web, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	w := &web{server: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}, ln: ln, served: make(chan struct{})}
	go func() {
		defer close(w.served)
		_ = w.server.Serve(ln) // ErrServerClosed
	}()
	return w, nil
}

// URL is where the server listens: the base_url of the driver.
func (w *web) URL() string { return "http://" + w.ln.Addr().String() }

func (w *web) close() {
	_ = w.server.Close()
	<-w.served
}
