package channeltest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/channeltest"
	"github.com/odziv/odziv/channels/smtp"
	"github.com/odziv/odziv/channels/twilio"
	"github.com/odziv/odziv/channels/viberbot"
)

// gateway receives callbacks as the real one does and keeps what they say.
type gateway struct {
	*httptest.Server
	receiver func() channels.Receiver
	fails    int // so many callbacks are answered with 503 first
	mu       sync.Mutex
	said     []string
	faults   []string
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fails > 0 {
		g.fails--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	parts := strings.Split(r.URL.Path, "/")
	cb := channels.Callback{URL: "http://" + r.Host + r.URL.RequestURI(), Endpoint: parts[len(parts)-1], Header: r.Header, Body: body}
	receiver := g.receiver()
	if err := receiver.Authenticate(cb); err != nil {
		g.faults = append(g.faults, err.Error())
		w.WriteHeader(http.StatusForbidden)
		return
	}
	updates, err := receiver.Read(cb)
	if err != nil {
		g.faults = append(g.faults, err.Error())
	}
	for _, u := range updates {
		g.said = append(g.said, strings.TrimSpace(strings.Join([]string{u.Type, string(u.Status), u.AttemptID, u.From, u.Text, u.Button}, " ")))
	}
	kind, answer := receiver.Acknowledge(cb)
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(answer)
}

func (g *gateway) check(t *testing.T, want ...string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.faults) > 0 {
		t.Errorf("faults: %v", g.faults)
	}
	if diff := cmp.Diff(want, g.said); diff != "" {
		t.Errorf("updates differ (-want +got):\n%s", diff)
	}
}

func noViolations(t *testing.T, p interface{ Violations() ([]string, int) }) {
	t.Helper()
	if list, n := p.Violations(); n > 0 {
		t.Errorf("%d violations: %q", n, list)
	}
}

const (
	account = "AC0123456789abcdef0123456789abcdef"
	token   = "12345678901234567890123456789012"
	bot     = "4453b6ac12345678-e02c5f12174805f9-daec9cbb5448c51f"
)

func twilioPair(t *testing.T, cfg channeltest.TwilioConfig) (*channeltest.Twilio, *twilio.Channel) {
	t.Helper()
	cfg.AccountSID, cfg.AuthToken, cfg.From = account, token, "+385998765432"
	server, err := channeltest.NewTwilio(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	c, err := twilio.New(twilio.Config{BaseURL: server.URL(), AccountSID: account, AuthToken: token, From: cfg.From})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return server, c
}

func sms(g *gateway, n int) channels.Message {
	m := channels.Message{AttemptID: fmt.Sprintf("att_%d", n), To: fmt.Sprintf("+38591%07d", n), Text: "Koliko ste zadovoljni?"}
	if g != nil {
		m.StatusURL = g.URL + "/webhooks/twilio/sms/status?attempt=" + m.AttemptID
	}
	return m
}

func TestTwilio(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	server, c := twilioPair(t, channeltest.TwilioConfig{Callbacks: channeltest.Callbacks{Duplicate: true, Reorder: true, Retries: 3, Pause: time.Millisecond}})
	g.receiver, g.fails = func() channels.Receiver { return c }, 2 // the first two are repeated
	receipt, err := c.Send(t.Context(), sms(g, 1))
	if err := server.WaitCallbacks(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if err != nil || receipt.Segments != 1 {
		t.Fatalf("Send = %+v, %v", receipt, err)
	}
	if err := server.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	got, ok := server.Last("+385910000001")
	if !ok || got.ID != receipt.ProviderID || got.AttemptID != "att_1" {
		t.Errorf("Last = %+v, %t", got, ok)
	}
	if err := server.Reply(t.Context(), got.To, got.From, "Odlično! 9", g.URL+"/webhooks/twilio/sms/inbound"); err != nil {
		t.Fatal(err)
	}
	if err := server.Inbound(t.Context(), g.URL+"/webhooks/twilio/sms/inbound", got.To, got.From, "odjava", "STOP"); err != nil {
		t.Fatal(err)
	}
	if err := server.WaitCallbacks(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	noViolations(t, server)
	if done, lost := server.Callbacks(); done != 6 || lost != 0 {
		t.Errorf("callbacks: %d done, %d lost; want 6, 0", done, lost)
	}
	g.mu.Lock()
	slices.Sort(g.said)
	g.mu.Unlock()
	delivered, sent := "status delivered att_1 +385910000001", "status sent att_1 +385910000001"
	g.check(t, "optout   +385910000001 odjava", "reply   +385910000001 Odlično! 9", delivered, delivered, sent, sent)
}

func TestTwilioChecks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*channels.Message)
		fault  channels.Fault
	}{
		{"no number", func(m *channels.Message) { m.To = "091 123" }, channels.Unreachable},
		{"no text", func(m *channels.Message) { m.Text = "" }, channels.Rejected},
		{"long text", func(m *channels.Message) { m.Text = strings.Repeat("ž", 1601) }, channels.Rejected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, c := twilioPair(t, channeltest.TwilioConfig{})
			m := sms(nil, 1)
			tt.change(&m)
			_, err := c.Send(t.Context(), m)
			if e, ok := errors.AsType[*channels.Error](err); !ok || e.Fault != tt.fault {
				t.Errorf("Send = %v; want %s", err, tt.fault)
			}
			if _, n := server.Violations(); n == 0 || server.Count() != 0 {
				t.Errorf("%d violations, %d messages taken", n, server.Count())
			}
		})
	}
}

// Whatever a provider does, what it took is never called «surely not taken».
func TestFaults(t *testing.T) {
	t.Parallel()
	all := channeltest.Faults{
		Seed: 7, ServerError: .1, Throttled: .1, RetryAfter: 3 * time.Second, Timeout: .1, Reset: .1, Drop: .1, Refused: .1, Slow: .1,
		SlowBy: 5 * time.Millisecond,
	}
	servers := map[string]func(t *testing.T) (channels.Channel, *channeltest.Provider){
		"twilio": func(t *testing.T) (channels.Channel, *channeltest.Provider) {
			server, c := twilioPair(t, channeltest.TwilioConfig{Faults: all})
			return c, server.Provider
		},
		"viber": func(t *testing.T) (channels.Channel, *channeltest.Provider) {
			server, err := channeltest.NewViber(channeltest.ViberConfig{AuthToken: bot, Faults: all})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			c, err := viberbot.New(viberbot.Config{BaseURL: server.URL(), AuthToken: bot, Name: "Trgovina"})
			if err != nil {
				t.Fatal(err)
			}
			return c, server.Provider
		},
		"smtp": func(t *testing.T) (channels.Channel, *channeltest.Provider) {
			server, err := channeltest.NewSMTP(channeltest.SMTPConfig{Faults: all, Plain: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			c, err := smtp.New(smtp.Config{URL: server.URL(), From: "ankete@example.hr"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			return c, server.Provider
		},
	}
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, p := start(t)
			seen := map[string]int{}
			for n := range 100 {
				m := sms(nil, n)
				if name == "smtp" {
					m.To, m.Subject = fmt.Sprintf("ana%d@example.hr", n), "Kako je prošlo?"
				}
				ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
				_, err := c.Send(ctx, m)
				cancel()
				took := p.ByTo()[m.To]
				if err == nil {
					seen["ok"]++
					if took != 1 {
						t.Errorf("message %d was accepted and taken %d times", n, took)
					}
					continue
				}
				e, ok := errors.AsType[*channels.Error](err)
				if !ok {
					t.Fatalf("Send = %v", err)
				}
				seen[e.Fault.String()]++
				if took > 1 || took == 1 && e.Fault != channels.Unconfirmed {
					t.Errorf("message %d was taken %d times: %v", n, took, err)
				}
				channeltest.CheckError(t, err, m.To)
			}
			noViolations(t, p)
			for _, what := range []string{"ok", "transient", "unconfirmed", "unreachable"} {
				if seen[what] < 5 {
					t.Errorf("%s came %d times in 100: %v", what, seen[what], seen)
				}
			}
		})
	}
}

func TestViber(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	server, err := channeltest.NewViber(channeltest.ViberConfig{
		AuthToken: bot, Webhook: g.URL + "/webhooks/viber-bot/bot", Callbacks: channeltest.Callbacks{Statuses: []string{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	c, err := viberbot.New(viberbot.Config{BaseURL: server.URL(), AuthToken: bot, Name: "Trgovina"})
	if err != nil {
		t.Fatal(err)
	}
	g.receiver = func() channels.Receiver { return c }
	receipt, err := c.Send(t.Context(), channels.Message{AttemptID: "att_1", To: "01234567890A=", Text: "?"})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := server.Last("01234567890A=")
	if got.ID != receipt.ProviderID || got.AttemptID != "att_1" {
		t.Errorf("Last = %+v", got)
	}
	for _, do := range []func() error{
		func() error { return server.Status(t.Context(), got, "delivered") },
		func() error { return server.Status(t.Context(), got, "seen") },
		func() error { return server.Reply(t.Context(), got.To, "9") },
		func() error { return server.Reply(t.Context(), got.To, "odz:snd_01K0000000000000000000000A:10") },
		func() error { return server.Subscription(t.Context(), got.To, true) },
		func() error { return server.Subscription(t.Context(), got.To, false) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	noViolations(t, server)
	g.check(t, "status delivered  01234567890A=", "status read  01234567890A=", "reply  att_1 01234567890A= 9",
		"reply  att_1 01234567890A= 10 odz:snd_01K0000000000000000000000A:10", "optin   01234567890A=", "optout   01234567890A=")
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	server, _ := twilioPair(t, channeltest.TwilioConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v", err)
	}
	_ = server.Close()
	if err := server.Wait(t.Context(), 1); err == nil {
		t.Error("Wait on a closed server: no error")
	}
}
