// Package dispatch decides when and how often: it feeds what is due from the store to asynq, lane by lane and no faster than each
// sender's rate, makes the attempts, and takes what came in into the conversations.
//
// The store is the truth, Redis is the engine: asynq holds only what is being executed, a batch of references a task, and may
// be emptied at any moment. A reference that was lost is due again when its lease ends.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// A Feed gives what is due.
type Feed interface {
	DueLanes(ctx context.Context, now time.Time) ([]string, error)
	Due(ctx context.Context, lane string, now time.Time, limit int) ([]survey.Ref, error)
	Take(ctx context.Context, lane string, refs []survey.Ref, lease time.Time) ([]survey.Ref, error)
	TakeInbound(ctx context.Context, now, lease time.Time, limit int) ([]string, error)
	// EarlierInbound gives the ids of unread callbacks of the same sender and endpoint that came before one, and that somebody has taken.
	EarlierInbound(ctx context.Context, in survey.Inbound, now time.Time) ([]string, error)
}

// Sends are read and changed here.
type Sends interface {
	Load(ctx context.Context, refs []survey.Ref) ([]survey.State, error)
	// Persons gives, by send, every address that is known of its person.
	Persons(ctx context.Context, states []survey.State) (map[string][]string, error)
	// Facts gives, by send, what the decision looks at beside the state. persons is what Persons gave; nil = it is looked up.
	Facts(ctx context.Context, states []survey.State, persons map[string][]string) (map[string]survey.Facts, error)
	Apply(ctx context.Context, sendID string, fn func(*survey.State) error) (survey.State, error)
	// ApplyFrom is Apply for who has the state already: it need not be loaded again unless it changed since.
	ApplyFrom(ctx context.Context, known survey.State, fn func(*survey.State) error) (survey.State, error)
}

// An Inbox keeps what came in until it is understood.
type Inbox interface {
	Inbound(ctx context.Context, ids []string) ([]survey.Inbound, error)
	DoneInbound(ctx context.Context, ids []string, result string) error
	SendOfThread(ctx context.Context, mode survey.Mode, channel survey.Channel, address string) (string, error)
	SendOfAttempt(ctx context.Context, attemptID string) (string, error)
	SendOfProviderID(ctx context.Context, sender, providerID string) (sendID, attemptID string, err error)
}

// A Suppressor keeps addresses of people who left without a thread of ours, and forgets them when they come back; survey.ErrNotFound when there
// is nothing to lift.
type Suppressor interface {
	Suppress(ctx context.Context, s survey.Suppression) error
	Lift(ctx context.Context, l survey.Lift) error
}

// A Renderer makes the words of a message.
type Renderer interface {
	Render(ctx context.Context, r templates.Request) (templates.Rendered, error)
}

// A Sender is a configured identity of a channel.
type Sender struct {
	Name        string
	Channel     survey.Channel
	Driver      string
	Via         channels.Channel
	Sandbox     bool // reaches no real provider
	Rates       []Rate
	Concurrency int           // attempts at once in this process; 0 = 16
	Timeout     time.Duration // of one attempt; 0 = 30 s
	Retry       survey.Retry  // of transient faults
	Tariff      survey.Tariff // what a message costs; the zero value says nothing of it
	Fingerprint string        // of its configuration: a pause ends when it changes; "" = unknown
}

// A Rate is at most N units in any window of Per.
type Rate struct {
	N    int
	Per  time.Duration
	Unit Unit
}

// Config says how to dispatch. Zero durations take their defaults.
type Config struct {
	Feed       Feed
	Sends      Sends
	Inbox      Inbox
	Suppressor Suppressor
	Renderer   Renderer
	Surveys    map[string]survey.Survey
	Brand      templates.Brand
	Links      *templates.Links
	PublicURL  string
	Policy     survey.Policy
	Release    func(ctx context.Context, surveyID string) (version int, err error) // current; for a survey that is asked instead of another
	Senders    map[string]Sender
	Redis      redis.UniversalClient
	Lease      time.Duration // after which, or a quarter of it later, work that nobody finished is due again; 60 s
	Poll       time.Duration // between looks at the store without a wake; 250 ms
	Drain      time.Duration // how long work under way may take to end; 30 s
	LookUp     time.Duration // until an uncertain attempt is first looked up at its provider; 1 min
	Grace      time.Duration // how long an attempt may stay uncertain before its send is closed; survey.UncertainGrace
	Log        *slog.Logger
	Now        func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Lease == 0 {
		c.Lease = time.Minute
	}
	if c.Poll == 0 {
		c.Poll = 250 * time.Millisecond
	}
	if c.Drain == 0 {
		c.Drain = 30 * time.Second
	}
	if c.LookUp == 0 {
		c.LookUp = time.Minute
	}
	if c.Grace == 0 {
		c.Grace = survey.UncertainGrace
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	for name, s := range c.Senders {
		if s.Via == nil {
			return fmt.Errorf("sender %s has no driver", name)
		}
	}
	if c.Feed == nil || c.Sends == nil || c.Inbox == nil || c.Renderer == nil || c.Redis == nil || c.Log == nil {
		return errors.New("dispatch: a part is missing")
	}
	return nil
}

const inboxQueue = "inbox"

func laneQueue(lane string) string { return "lane-" + lane }

// A Dispatcher feeds and works. Make one with New, then Start and Shutdown once each.
type Dispatcher struct {
	cfg     Config
	ids     survey.IDSource
	client  *asynq.Client
	servers []*asynq.Server
	pace    *pacer
	returns *returns
	health  *health
	wake    chan struct{}
	slots   map[string]slots // by lane

	stop     context.CancelFunc
	stopping chan struct{} // closed by Shutdown
	halt     sync.Once     // closes it

	done  sync.WaitGroup // the feeder
	under sync.WaitGroup // handlers: asynq forgets those whose task has timed out
}

// New makes a dispatcher that has not begun.
func New(cfg Config) (*Dispatcher, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	d := &Dispatcher{
		cfg:      cfg,
		client:   asynq.NewClientFromRedisClient(cfg.Redis),
		wake:     make(chan struct{}, 1),
		stopping: make(chan struct{}),
		slots:    make(map[string]slots, len(cfg.Senders)),
	}
	d.returns = &returns{redis: cfg.Redis, failed: func(ctx context.Context, err error) {
		cfg.Log.WarnContext(ctx, "recipients stay reserved for a while", "error", err)
	}}
	d.pace = newPacer(cfg.Redis, d.stopping)
	prints := make(map[string]string, len(cfg.Senders))
	for name, s := range cfg.Senders {
		prints[name] = s.Fingerprint
	}
	d.health = newHealth(cfg.Redis, cfg.Now, prints, cfg.Log)
	for name, s := range cfg.Senders {
		n := s.Concurrency
		if n <= 0 {
			n = 16
		}
		d.slots[name] = newSlots(n)
		d.servers = append(d.servers, d.server(laneQueue(name), tasksAtOnce))
	}
	d.servers = append(d.servers, d.server(inboxQueue, tasksAtOnce))
	return d, nil
}

// tasksAtOnce of one lane: while one waits for its slowest attempt another fills the slots.
const tasksAtOnce = 3

func (d *Dispatcher) server(queue string, concurrency int) *asynq.Server {
	return asynq.NewServerFromRedisClient(d.cfg.Redis, asynq.Config{
		Concurrency:              concurrency,
		Queues:                   map[string]int{queue: 1},
		TaskCheckInterval:        20 * time.Millisecond,
		DelayedTaskCheckInterval: time.Second,
		ShutdownTimeout:          d.cfg.Drain,
		Logger:                   asynqLog{d.cfg.Log},
		LogLevel:                 asynq.WarnLevel,
	})
}

// Start begins to feed and to work.
func (d *Dispatcher) Start(ctx context.Context) error {
	mux := asynq.NewServeMux()
	mux.HandleFunc(taskDeliver, d.counted(d.deliver))
	mux.HandleFunc(taskUnderstand, d.counted(d.understand))
	for i, s := range d.servers {
		if err := s.Start(mux); err != nil {
			for _, started := range d.servers[:i] {
				started.Shutdown()
			}
			return fmt.Errorf("start queue: %w", err)
		}
	}
	ctx, d.stop = context.WithCancel(ctx)
	d.done.Go(func() { d.feed(ctx) })
	return nil
}

// counted lets Shutdown wait for a handler.
func (d *Dispatcher) counted(h asynq.HandlerFunc) asynq.HandlerFunc {
	return func(ctx context.Context, t *asynq.Task) error {
		d.under.Add(1)
		defer d.under.Done()
		return h(ctx, t)
	}
}

// Wake makes the feeder look at once. It never blocks.
func (d *Dispatcher) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Shutdown stops feeding, waits for work under way up to Config.Drain, and puts the rest back. Doing it again
// changes nothing.
func (d *Dispatcher) Shutdown() {
	if d.stop == nil {
		return
	}
	over := time.After(d.cfg.Drain)
	d.halt.Do(func() { close(d.stopping) })
	d.stop()
	d.done.Wait()
	var wg sync.WaitGroup
	for _, s := range d.servers {
		wg.Go(s.Shutdown)
	}
	wg.Wait()
	ended := make(chan struct{})
	go func() {
		d.under.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-over:
		d.cfg.Log.Warn("attempts were cut off after the drain time; they are uncertain until their receipts")
	}
}

// asynqLog hands asynq's own words to slog.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) say(level slog.Level, args []any) {
	l.log.Log(context.Background(), level, "asynq", "detail", fmt.Sprint(args...))
}

// Debug is asynq.Logger's.
func (l asynqLog) Debug(args ...any) { l.say(slog.LevelDebug, args) }

// Info is asynq.Logger's.
func (l asynqLog) Info(args ...any) { l.say(slog.LevelInfo, args) }

// Warn is asynq.Logger's.
func (l asynqLog) Warn(args ...any) { l.say(slog.LevelWarn, args) }

// Error is asynq.Logger's.
func (l asynqLog) Error(args ...any) { l.say(slog.LevelError, args) }

// Fatal is asynq.Logger's; it does not end the program.
func (l asynqLog) Fatal(args ...any) { l.say(slog.LevelError, args) }
