// Package sandbox is a provider that reaches nobody: what it is given appears on phones and in inboxes of this program.
// It stands in for all three channels.
//
// Magic recipients act out what real providers and people do; Magic lists them. A phone is magic by its last seven
// digits, an email address by the part before the @, a Viber id by either: whoever is not magic gets the message at once.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// An Outbox keeps what was sent, for the page to show.
type Outbox interface {
	PutSandboxMessage(ctx context.Context, m Message) error
}

// Reports takes what a real provider would call back with. Sender is the name of the sandbox sender.
type Reports interface {
	Report(ctx context.Context, sender string, u channels.Update) error
}

// A Config is one sandbox sender.
type Config struct {
	Sender  string         // its name
	Channel survey.Channel // what it stands in for
	Slow    time.Duration  // until the late report of a slow recipient; 0 = 5 s
	Think   time.Duration  // until a recipient who answers does so; 0 = 1 s
}

// A Channel is one sandbox sender. Close it: it may have answers under way.
type Channel struct {
	cfg     Config
	out     Outbox
	reports Reports
	log     *slog.Logger
	ids     survey.IDSource

	stop   chan struct{} // closed by Close
	wg     sync.WaitGroup
	mu     sync.Mutex
	closed bool                // guarded by mu
	failed map[string]struct{} // guarded by mu: messages to «transient» that failed once
}

var _ channels.Channel = (*Channel)(nil)

// maxFailed bounds what is remembered of «transient»: a demo has fewer.
const maxFailed = 10_000

// New gives the sender of cfg.
func New(cfg Config, out Outbox, reports Reports, log *slog.Logger) (*Channel, error) {
	switch cfg.Channel {
	case survey.Email, survey.SMS, survey.Viber:
	case survey.Web, survey.Chat:
		return nil, fmt.Errorf("channel: %q is none that messages are sent over", cfg.Channel)
	default:
		return nil, fmt.Errorf("channel: %q is unknown", cfg.Channel)
	}
	if cfg.Slow <= 0 {
		cfg.Slow = 5 * time.Second
	}
	if cfg.Think <= 0 {
		cfg.Think = time.Second
	}
	return &Channel{
		cfg: cfg, out: out, reports: reports, log: log, stop: make(chan struct{}), failed: map[string]struct{}{},
	}, nil
}

// Send shows the message and plays the recipient's part.
func (c *Channel) Send(ctx context.Context, m channels.Message) (channels.Receipt, error) {
	act := part(m.To)
	switch act.name {
	case bounced:
		return channels.Receipt{}, &channels.Error{Fault: channels.Unreachable, Code: "bounced", Err: errors.New("magic recipient «bounced»")}
	case optedOut:
		return channels.Receipt{}, &channels.Error{Fault: channels.OptedOut, Code: "opted_out", Err: errors.New("magic recipient «opted out»")}
	case rejected:
		return channels.Receipt{}, &channels.Error{Fault: channels.Rejected, Code: "rejected", Err: errors.New("magic recipient «rejected»")}
	case transient:
		if c.firstTime(m) {
			return channels.Receipt{}, &channels.Error{
				Fault: channels.Transient, Code: "busy", RetryAfter: time.Second, Err: errors.New("magic recipient «transient»"),
			}
		}
	}
	shown := c.message(m)
	if err := c.out.PutSandboxMessage(ctx, shown); err != nil {
		return channels.Receipt{}, &channels.Error{Err: fmt.Errorf("put sandbox message: %w", err)} // a commit may have gone through
	}
	switch act.name {
	case uncertain:
		return channels.Receipt{}, &channels.Error{Err: errors.New("magic recipient «uncertain»")}
	case settled:
		c.later(ctx, c.cfg.Slow, delivered(shown))
		return channels.Receipt{}, &channels.Error{Err: errors.New("magic recipient «settled»")}
	case slow:
		c.later(ctx, c.cfg.Slow, delivered(shown))
	default:
		c.report(ctx, delivered(shown))
		if u, ok := act.answer(shown); ok {
			c.later(ctx, c.cfg.Think, u)
		}
	}
	return channels.Receipt{ProviderID: shown.ID}, nil
}

// firstTime reports whether this message to a «transient» recipient was not tried before.
func (c *Channel) firstTime(m channels.Message) bool {
	key := m.SendID + string(m.Kind)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.failed[key]; again {
		return false
	}
	if len(c.failed) >= maxFailed {
		clear(c.failed)
	}
	c.failed[key] = struct{}{}
	return true
}

func (c *Channel) message(m channels.Message) Message {
	now := time.Now().UTC()
	return Message{
		ID: c.ids.New(survey.MessagePrefix, now), SendID: m.SendID, AttemptID: m.AttemptID, Kind: m.Kind,
		Channel: c.cfg.Channel, Sender: c.cfg.Sender, To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML,
		Buttons: m.Buttons, Links: m.Links, Locale: m.Locale, RTL: m.RTL, UnsubscribeURL: m.UnsubscribeURL, At: now,
	}
}

func delivered(m Message) channels.Update {
	return channels.Update{
		Type: channels.StatusUpdate, Key: m.ID + ":delivered", ProviderID: m.ID, AttemptID: m.AttemptID, SendID: m.SendID,
		Channel: m.Channel, Status: survey.AttemptDelivered, From: m.To,
	}
}

// report hands u on. The message itself is out: a report that fails is lost, as a provider's may be.
func (c *Channel) report(ctx context.Context, u channels.Update) {
	u.At = time.Now().UTC()
	if err := c.reports.Report(ctx, c.cfg.Sender, u); err != nil {
		c.log.WarnContext(ctx, "sandbox report lost", "attempt_id", u.AttemptID, "type", u.Type, "error", err)
	}
}

// later reports u after a while, unless Close comes first.
func (c *Channel) later(ctx context.Context, d time.Duration, u channels.Update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	ctx = context.WithoutCancel(ctx) // the attempt is over by then
	c.wg.Go(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-c.stop:
		case <-timer.C:
			c.report(ctx, u)
		}
	})
}

// Close ends what is under way: late reports and answers that are not due are dropped.
func (c *Channel) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.stop)
	}
	c.mu.Unlock()
	c.wg.Wait()
	return nil
}
