package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/dispatch"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// What becomes of one send, by what its providers say.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	viberThenSMS := by(over(survey.Viber, "bot"), over(survey.SMS, "sms"))
	tests := []struct {
		name   string
		set    func(*rig)
		send   func(*survey.Send)
		status survey.Status
		reason survey.Reason
		sms    int // messages
		bot    int
		due    time.Duration // from noon; 0 = nothing is due
		events []string      // of the ledger after send.accepted
	}{
		{
			name: "accepted", status: survey.Sent, sms: 1,
			events: []string{"attempt.claimed", "attempt.accepted"},
		},
		{
			name: "rejected on the first step", set: func(g *rig) { g.bot.say = fails(channels.Rejected, "7") }, send: viberThenSMS,
			status: survey.Sent, bot: 1, sms: 1,
			events: []string{"attempt.claimed", "attempt.failed", "step.started", "attempt.claimed", "attempt.accepted"},
		},
		{
			name: "unreachable on every step", set: func(g *rig) {
				g.bot.say, g.sms.say = fails(channels.Unreachable, "6"), fails(channels.Unreachable, "30005")
			}, send: viberThenSMS, status: survey.Failed, reason: survey.ReasonUnreachable, bot: 1, sms: 1,
			events: []string{"attempt.claimed", "attempt.failed", "contact.unreachable", "step.started", "attempt.claimed", "attempt.failed", "contact.unreachable", "send.failed"},
		},
		{
			name: "the first step waits for its receipt", send: by(survey.Step{Channel: survey.Viber, Sender: "bot", Success: survey.AttemptDelivered, Wait: time.Hour}, over(survey.SMS, "sms")),
			status: survey.Sent, bot: 1, due: time.Hour,
			events: []string{"attempt.claimed", "attempt.accepted", "step.waiting"},
		},
		{
			name: "unconfirmed", set: func(g *rig) { g.sms.say = fails(channels.Unconfirmed, "") }, status: survey.Sending, sms: 1,
			due: survey.UncertainGrace, events: []string{"attempt.claimed", "attempt.uncertain"},
		},
		{
			name: "an error of no class counts as unconfirmed", set: func(g *rig) {
				g.sms.say = func(context.Context, int, channels.Message) (channels.Receipt, error) {
					return channels.Receipt{}, errors.New("what?")
				}
			}, status: survey.Sending, sms: 1, due: survey.UncertainGrace, events: []string{"attempt.claimed", "attempt.uncertain"},
		},
		{
			name: "a driver that panics counts as unconfirmed", set: func(g *rig) {
				g.sms.say = func(context.Context, int, channels.Message) (channels.Receipt, error) { panic("driver at fault") }
			}, status: survey.Sending, sms: 1, due: survey.UncertainGrace, events: []string{"attempt.claimed", "attempt.uncertain"},
		},
		{
			name: "timeout", set: func(g *rig) {
				s := g.cfg.Senders["sms"]
				s.Timeout = 20 * time.Millisecond
				g.cfg.Senders["sms"] = s
				g.sms.say = func(ctx context.Context, _ int, _ channels.Message) (channels.Receipt, error) {
					<-ctx.Done()
					return channels.Receipt{}, ctx.Err()
				}
			}, status: survey.Sending, sms: 1, due: survey.UncertainGrace, events: []string{"attempt.claimed", "attempt.uncertain"},
		},
		{
			name: "opted out at the provider", set: func(g *rig) { g.sms.say = fails(channels.OptedOut, "21610") },
			status: survey.Suppressed, reason: survey.ReasonOptedOut, sms: 1,
			events: []string{"attempt.claimed", "attempt.failed", "contact.suppressed", "send.suppressed"},
		},
		{
			name: "provider refuses the sender", set: func(g *rig) { g.sms.say = fails(channels.Misconfigured, "20003") },
			status: survey.Scheduled, reason: survey.ReasonMisconfigured, sms: 1, due: 15 * time.Minute,
			events: []string{"attempt.claimed", "attempt.failed"},
		},
		{
			name: "transient with a time", set: func(g *rig) {
				g.sms.say = func(context.Context, int, channels.Message) (channels.Receipt, error) {
					return channels.Receipt{}, &channels.Error{Fault: channels.Transient, RetryAfter: 40 * time.Minute, Err: errors.New("busy")}
				}
			}, status: survey.Scheduled, reason: survey.ReasonTransient, sms: 1, due: 40 * time.Minute,
			events: []string{"attempt.claimed", "attempt.failed"},
		},
		{
			name: "outside the window", set: func(g *rig) { g.cfg.Policy.Window = survey.Window{From: 9 * 60, To: 12 * 60} },
			status: survey.Scheduled, reason: survey.ReasonWindow, due: 20 * time.Hour, // 13:00 in Zagreb: until 9:00, 8:00 UTC
			events: []string{"send.held"},
		},
		{
			name: "expired", send: func(m *survey.Send) { m.ExpiresAt = noon() }, status: survey.Expired, reason: survey.ReasonExpired,
			events: []string{"send.expired"},
		},
		{
			name: "lane of nobody", send: orphan(over(survey.SMS, "gone")), status: survey.Failed, reason: survey.ReasonNoSender,
			events: []string{"message.dropped", "send.failed"},
		},
		{
			name: "lane of nobody, then another", send: orphan(over(survey.SMS, "gone"), over(survey.SMS, "sms")), status: survey.Sent, sms: 1,
			events: []string{"message.dropped", "step.started", "attempt.claimed", "attempt.accepted"},
		},
		{
			name: "no address", send: func(m *survey.Send) { m.Recipient = survey.Recipient{Email: "ana@example.hr"} }, status: survey.Failed, reason: survey.ReasonNoAddress,
			events: []string{"message.dropped", "send.failed"},
		},
		{
			name: "no such survey", send: func(m *survey.Send) { m.Survey = "gone" }, status: survey.Failed, reason: survey.ReasonRender,
			events: []string{"message.dropped", "send.failed"},
		},
		{
			name: "a renderer that panics", set: func(g *rig) { g.cfg.Renderer = broken{} }, status: survey.Failed, reason: survey.ReasonRender,
			events: []string{"message.dropped", "send.failed"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				g := newRig(t, s)
				if tt.set != nil {
					tt.set(g)
				}
				id := g.accept(tt.send)
				g.start()
				var types []string
				g.until("the ledger says so", func() bool {
					types = g.events(id)
					return len(types) > len(tt.events)
				})
				if diff := cmp.Diff(append([]string{"send.accepted"}, tt.events...), types); diff != "" {
					t.Errorf("ledger: %s", diff)
				}
				m, attempts := g.becomes(id, tt.status)
				if m.Reason != tt.reason || (m.Lane != "") != (tt.due > 0) || tt.due > 0 && !m.DueAt.Equal(noon().Add(tt.due)) {
					t.Errorf("reason %q, lane %q, due %s; want %q, %s after noon", m.Reason, m.Lane, m.DueAt, tt.reason, tt.due)
				}
				if len(g.sms.deliveries()) != tt.sms || len(g.bot.deliveries()) != tt.bot {
					t.Errorf("sms got %d, bot %d; want %d and %d", len(g.sms.deliveries()), len(g.bot.deliveries()), tt.sms, tt.bot)
				}
				for _, a := range attempts {
					if a.Status == survey.AttemptClaimed {
						t.Errorf("attempt %s is still claimed", a.ID)
					}
					if a.Status == survey.AttemptAccepted && a.ProviderID != "p-"+a.ID {
						t.Errorf("attempt accepted under %q", a.ProviderID)
					}
				}
				for _, secret := range []string{phone, "ana@example.hr", "ana=="} { // law 12
					if g.log.has(secret) {
						t.Errorf("the log names %s", secret)
					}
				}
			})
		})
	}
}

// Law 3: what is rejected, held or retried is claimed before each call, and never called twice at once.
func TestLaw03ClaimBeforeSend(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.sms.say = func(ctx context.Context, _ int, m channels.Message) (channels.Receipt, error) {
			_, attempts, err := s.Send(ctx, m.SendID) // as committed
			if err != nil || !slices.ContainsFunc(attempts, func(a survey.Attempt) bool {
				return a.ID == m.AttemptID && a.Status == survey.AttemptClaimed && a.Address == m.To
			}) {
				t.Errorf("called before the claim of %s: %+v, %v", m.AttemptID, attempts, err)
			}
			return channels.Receipt{}, nil
		}
		id := g.accept(nil)
		g.start()
		g.becomes(id, survey.Sent)
	})
}

func TestTransientIsRetriedAfterBackoffAndNotBefore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.sms.say = func(_ context.Context, n int, m channels.Message) (channels.Receipt, error) {
			if m.To == phone && n == 0 {
				return channels.Receipt{}, &channels.Error{Fault: channels.Transient, Code: "503", Err: errors.New("busy")}
			}
			return channels.Receipt{ProviderID: "p"}, nil
		}
		id := g.accept(nil)
		g.start()
		m, _ := g.becomes(id, survey.Scheduled)
		if pause := m.DueAt.Sub(noon()); m.Reason != survey.ReasonTransient || m.Tries != 1 || pause < time.Second || pause > 7*time.Second {
			t.Fatalf("after a transient fault: reason %s, tries %d, due in %s", m.Reason, m.Tries, pause)
		}
		g.set(m.DueAt.Add(-time.Microsecond))
		g.settled("sms", survey.SMS)
		if n := len(g.sms.to(phone)); n != 1 {
			t.Errorf("tried %d times before its time", n)
		}
		g.set(m.DueAt)
		m, attempts := g.becomes(id, survey.Sent)
		if len(g.sms.to(phone)) != 2 || len(attempts) != 2 || attempts[0].Fault != survey.FaultTransient || attempts[1].Status != survey.AttemptAccepted || m.Tries != 0 {
			t.Errorf("tried %d times, %+v", len(g.sms.to(phone)), attempts)
		}
	})
}

func TestTransientForEverEndsThePlan(t *testing.T) {
	t.Parallel()
	g := newRig(t, storetest.Open(t, storetest.SQLite))
	g.sms.say = fails(channels.Transient, "503")
	id := g.accept(func(m *survey.Send) { m.ExpiresAt = noon().Add(1000 * time.Hour) })
	g.start()
	g.until("the send ends", func() bool {
		m, _ := g.send(id)
		if m.Status == survey.Scheduled {
			g.set(m.DueAt)
		}
		return m.Status.Final()
	})
	if m, _ := g.send(id); m.Reason != survey.ReasonAttempts || len(g.sms.to(phone)) != survey.MaxTries {
		t.Errorf("%s %s after %d tries", m.Status, m.Reason, len(g.sms.to(phone)))
	}
}

// Never a blind resend: an uncertain attempt is settled by its receipt, or ends after its grace.
func TestLaw03UncertainIsNeverResent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		receipt survey.AttemptStatus
		status  survey.Status
		reason  survey.Reason
		attempt survey.AttemptStatus
	}{
		{"delivered", survey.AttemptDelivered, survey.Delivered, "", survey.AttemptDelivered},
		{"sent", survey.AttemptSent, survey.Sent, "", survey.AttemptSent},
		{"failed", survey.AttemptFailed, survey.Failed, survey.ReasonProviderRejected, survey.AttemptFailed},
		{"none", "", survey.Failed, survey.ReasonUncertain, survey.AttemptUncertain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				g := newRig(t, s)
				g.sms.say = func(_ context.Context, _ int, m channels.Message) (channels.Receipt, error) {
					if m.To == phone {
						return channels.Receipt{}, &channels.Error{Err: errors.New("connection reset")}
					}
					return channels.Receipt{}, nil
				}
				id := g.accept(nil)
				g.start()
				g.until("uncertain", func() bool {
					_, attempts := g.send(id)
					return len(attempts) == 1 && attempts[0].Status == survey.AttemptUncertain
				})
				g.advance(3 * g.cfg.Lease)
				g.settled("sms", survey.SMS)
				if tt.receipt != "" {
					u := reported(g.sms.deliveries()[0], tt.receipt)
					u.Fault = channels.Rejected
					g.read(g.calls("sms", u), g.calls("sms", u))
				}
				g.advance(survey.UncertainGrace)
				g.settled("sms", survey.SMS)
				m, attempts := g.becomes(id, tt.status)
				if m.Reason != tt.reason || m.Lane != "" || len(attempts) != 1 || attempts[0].Status != tt.attempt || len(g.sms.to(phone)) != 1 {
					t.Errorf("%s %s in lane %q, %+v, called %d times", m.Status, m.Reason, m.Lane, attempts, len(g.sms.to(phone)))
				}
			})
		})
	}
}

// A receipt may be faster than the answer that tells which message it is about.
func TestEarlyReceipt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		answered := make(chan struct{})
		g.bot.say = func(context.Context, int, channels.Message) (channels.Receipt, error) {
			<-answered
			return channels.Receipt{ProviderID: "token-1"}, nil
		}
		id := g.accept(by(over(survey.Viber, "bot")))
		g.start()
		g.until("the bot is called", func() bool { return len(g.bot.deliveries()) == 1 })
		in := g.calls("bot", channels.Update{Type: channels.StatusUpdate, Channel: survey.Viber, ProviderID: "token-1", From: "ana==", Status: survey.AttemptDelivered})
		g.until("the receipt is put back", func() bool { return g.log.has("inbound not understood, looked at again") })
		close(answered)
		g.becomes(id, survey.Sent)
		if left, err := s.Inbound(t.Context(), []string{in}); err != nil || len(left) != 1 {
			t.Fatalf("the receipt is gone: %v, %v", left, err)
		}
		g.advance(g.cfg.Lease)
		g.read(in)
		g.becomes(id, survey.Delivered)
		// One that is about nothing of ours is not kept for ever.
		in = g.calls("bot", channels.Update{Type: channels.StatusUpdate, Channel: survey.Viber, ProviderID: "token-of-another", Status: survey.AttemptDelivered})
		g.advance(2 * g.cfg.Lease)
		g.read(in)
	})
}

// broken is a renderer at fault.
type broken struct{ dispatch.Renderer }

func TestCooldown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.cfg.Policy.Fatigue.AfterInvite.Any = 90 * 24 * time.Hour
		first := g.accept(nil)
		g.start()
		g.becomes(first, survey.Sent)
		second := g.accept(nil)
		if m, _ := g.becomes(second, survey.Suppressed); m.Reason != survey.ReasonCooldown {
			t.Errorf("the second ends as %s", m.Reason)
		}
		byMail := g.accept(func(m *survey.Send) { m.Plan = []survey.Step{over(survey.Email, "mail")} })
		if m, _ := g.becomes(byMail, survey.Suppressed); m.Reason != survey.ReasonCooldown {
			t.Errorf("by another channel it ends as %s", m.Reason)
		}
		g.advance(90 * 24 * time.Hour)
		g.becomes(g.accept(nil), survey.Sent)
		if n := len(g.sms.to(phone)); n != 2 {
			t.Errorf("invited %d times", n)
		}
	})
}

// Several sends to one person that are due at one moment are one invitation.
func TestCooldownOfSendsDueTogether(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.cfg.Policy.Fatigue.AfterInvite.Any = 90 * 24 * time.Hour
		for range 250 {
			g.accept(nil)
		}
		g.start()
		g.counts(250, g.later, survey.Sent, survey.Suppressed)
		if n := len(g.sms.to(phone)); n != 1 {
			t.Errorf("one person was invited %d times within the cooldown", n)
		}
	})
}

// So are those to different addresses of the person.
func TestCooldownOfAddressesDueTogether(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.cfg.Policy.Fatigue.AfterInvite.Any = 90 * 24 * time.Hour
		for i := range 50 {
			g.accept(func(m *survey.Send) {
				m.Recipient = survey.Recipient{ExternalID: "c-1", Phone: "+38591123456" + strconv.Itoa(i%10)}
			})
		}
		g.start()
		g.counts(50, g.later, survey.Sent, survey.Suppressed)
		if n := len(g.sms.deliveries()); n != 1 {
			t.Errorf("one person was invited %d times within the cooldown", n)
		}
	})
}

func TestWindowOpens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.cfg.Policy.Window = survey.Window{From: 9 * 60, To: 12 * 60}
		id := g.accept(nil)
		g.start()
		m, _ := g.becomes(id, survey.Scheduled)
		g.set(m.DueAt.Add(-time.Second))
		g.settled("sms", survey.SMS)
		if len(g.sms.to(phone)) != 0 {
			t.Error("sent outside the window")
		}
		g.set(m.DueAt)
		g.becomes(id, survey.Sent)
	})
}

// A sender whose provider refuses it rests, and then goes on.
func TestMisconfiguredSenderRests(t *testing.T) {
	t.Parallel()
	g := newRig(t, storetest.Open(t, storetest.SQLite))
	g.sms.say = func(_ context.Context, n int, _ channels.Message) (channels.Receipt, error) {
		if n == 0 {
			return channels.Receipt{}, &channels.Error{Fault: channels.Misconfigured, Code: "20003", Err: errors.New("answer 401")}
		}
		return channels.Receipt{}, nil
	}
	first := g.accept(nil)
	g.start()
	g.becomes(first, survey.Scheduled)
	g.until("the sender is paused", func() bool { return g.log.has("sender paused") })
	second := g.accept(person(2))
	g.advance(14 * time.Minute)
	g.settled("mail", survey.Email) // other lanes go on
	if n := len(g.sms.deliveries()); n != 1 {
		t.Errorf("%d messages by a sender that rests", n)
	}
	g.advance(time.Minute)
	g.until("one of them tried the lane", func() bool { return len(g.sms.deliveries()) > 1 })
	g.advance(time.Minute) // the other may have had to wait for what came of it
	g.becomes(first, survey.Sent)
	g.becomes(second, survey.Sent)
}

// A test send on the lane of a real sender reaches nobody, however it came there.
func TestLaw11TestKeyReachesNoProvider(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		phone := &driver{}
		g.cfg.Senders["phone"] = dispatch.Sender{Name: "phone", Channel: survey.SMS, Driver: "sandbox", Via: phone, Sandbox: true}
		id := g.accept(func(m *survey.Send) {
			m.Mode = survey.Test
			m.Plan = []survey.Step{over(survey.Viber, "bot"), over(survey.SMS, "sms"), over(survey.Email, "mail")}
		})
		fine := g.accept(func(m *survey.Send) {
			m.Mode = survey.Test
			m.Plan = []survey.Step{over(survey.SMS, "phone")}
		})
		g.start()
		if m, _ := g.becomes(id, survey.Failed); m.Reason != survey.ReasonNoSender {
			t.Errorf("ends as %s", m.Reason)
		}
		g.becomes(fine, survey.Sent)
		if n := len(g.sms.deliveries()) + len(g.bot.deliveries()) + len(g.mail.deliveries()); n != 0 || len(phone.deliveries()) != 1 {
			t.Errorf("%d messages to real providers, %d to the sandbox", n, len(phone.deliveries()))
		}
	})
}

// Whatever is configured, a test send is planned over sandbox senders only, and over the first that can take it.
func TestLaw11TestPlans(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := 0
		senders := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) dispatch.Sender {
			names++
			return dispatch.Sender{
				Name:    string(rune('A'+names%26)) + rapid.StringMatching(`[a-z]{8}`).Draw(t, "name"),
				Channel: rapid.SampledFrom(survey.SendChannels()).Draw(t, "channel"),
				Driver:  rapid.SampledFrom([]string{"infobip", "twilio", "sandbox"}).Draw(t, "driver"), // viber-bot: below
				Sandbox: rapid.Bool().Draw(t, "sandbox"),
			}
		}), 0, 6)
		p := dispatch.Planner{Senders: senders.Draw(t, "senders"), Spare: senders.Draw(t, "spare")}
		m := survey.Send{Mode: rapid.SampledFrom([]survey.Mode{survey.Test, survey.Live}).Draw(t, "mode")}
		m.Recipient = survey.Recipient{
			Phone: rapid.SampledFrom([]string{"", phone}).Draw(t, "phone"), Email: rapid.SampledFrom([]string{"", "a@b.hr"}).Draw(t, "email"),
			ViberID: rapid.SampledFrom([]string{"", "ana=="}).Draw(t, "viber"),
		}
		asked := rapid.SliceOfDistinct(rapid.SampledFrom(survey.SendChannels()), rapid.ID[survey.Channel]).Draw(t, "asked")
		err := p.Plan(&m, survey.Wish{Channels: asked})
		if err == nil && len(m.Plan) == 0 {
			t.Fatal("a plan without steps")
		}
		if _, ok := errors.AsType[survey.InvalidError](err); err != nil && !ok {
			t.Fatalf("error %T", err)
		}
		if err != nil {
			return
		}
		if m.Lane != m.Plan[0].Sender || m.Kind != survey.Invitation || m.Step != 0 {
			t.Fatalf("lane %q, kind %q, step %d", m.Lane, m.Kind, m.Step)
		}
		for _, step := range m.Plan {
			i := slices.IndexFunc(p.Senders, func(s dispatch.Sender) bool { return s.Name == step.Sender })
			var s dispatch.Sender
			if i >= 0 {
				s = p.Senders[i]
			} else {
				s = p.Spare[slices.IndexFunc(p.Spare, func(s dispatch.Sender) bool { return s.Name == step.Sender })]
			}
			if m.Mode == survey.Test && !s.Sandbox {
				t.Fatalf("a test send is planned over %+v", s)
			}
			if m.Mode == survey.Live && i < 0 {
				t.Fatalf("a live send is planned over the spare %+v", s)
			}
			if s.Channel != step.Channel || m.Recipient.Address(step.Channel) == "" {
				t.Fatalf("%+v cannot reach the recipient over %s", s, step.Channel)
			}
		}
	})
}

// An address that reached nobody is known as such from the latest time on, until a message arrives there.
func TestUnreachableIsRenewedAndLifted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.start()
		marked := func() []time.Time {
			all, err := g.SuppressionsOf(t.Context(), survey.Live, []string{phone})
			if err != nil {
				t.Fatal(err)
			}
			at := []time.Time{}
			for _, p := range all {
				at = append(at, p.At)
			}
			return at
		}
		for range 2 {
			g.advance(24 * time.Hour)
			id := g.accept(nil)
			g.becomes(id, survey.Sent)
			sent := g.sms.deliveries()
			bounce := reported(sent[len(sent)-1], survey.AttemptFailed)
			bounce.Fault = channels.Unreachable
			g.read(g.calls("sms", bounce))
			g.becomes(id, survey.Failed)
			if diff := cmp.Diff([]time.Time{g.Now()}, marked()); diff != "" {
				t.Errorf("marked: %s", diff)
			}
		}
		id := g.accept(nil)
		g.becomes(id, survey.Sent)
		g.read(g.calls("sms", reported(g.sms.deliveries()[2], survey.AttemptDelivered)))
		if at := marked(); len(at) != 0 {
			t.Errorf("marked at %v after a delivery", at)
		}
	})
}

// A dumb store answers only to some questions of a dry run.
type dumb struct {
	*store.Store
	to string
}

func (d dumb) SuppressionsUnder(ctx context.Context, mode survey.Mode, addresses []string) ([]survey.Suppression, error) {
	if d.to == "suppressions" {
		return nil, errors.New("away")
	}
	return d.Store.SuppressionsUnder(ctx, mode, addresses)
}

func (d dumb) SendByTransaction(ctx context.Context, mode survey.Mode, surveyID, transactionID, contactID string) (string, error) {
	if d.to == "earlier send" {
		return "", errors.New("away")
	}
	return d.Store.SendByTransaction(ctx, mode, surveyID, transactionID, contactID)
}

func (d dumb) Facts(ctx context.Context, states []survey.State, persons map[string][]string) (map[string]survey.Facts, error) {
	if d.to == "facts" {
		return nil, errors.New("away")
	}
	return d.Store.Facts(ctx, states, persons)
}

// A dry run that cannot read what it takes says so.
func TestPreviewUnavailable(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, to := range []string{"nothing", "suppressions", "earlier send", "facts"} {
			g := newRig(t, s)
			g.cfg.Sends, g.cfg.Now = dumb{s, to}, g.Now
			d, err := dispatch.New(g.cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.Preview(t.Context(), survey.Send{
				Mode: survey.Live, Survey: "nps-after-purchase", SurveyVersion: 1, Locale: "hr", Recipient: survey.Recipient{Phone: phone},
				Transaction: survey.Transaction{ID: "order-1"}, Status: survey.Accepted, Kind: survey.Invitation,
				Plan: []survey.Step{over(survey.SMS, "sms")}, Lane: "sms", DueAt: g.Now(), ExpiresAt: g.Now().Add(time.Hour),
			})
			if errors.Is(err, survey.ErrUnavailable) != (to != "nothing") || (err == nil) != (to == "nothing") {
				t.Errorf("dumb to %s: %v", to, err)
			}
		}
	})
}

// What a person said first is read first, also when another task has taken it and not read it yet.
func TestEarlierReplyIsReadFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		id := g.accept(nil)
		d := g.start()
		g.becomes(id, survey.Sent)
		d.Shutdown()
		first := []string{g.calls("sms", said(survey.SMS, phone, "9")), g.calls("sms", said(survey.SMS, "+385910000009", "9"))}
		taken, err := g.TakeInbound(t.Context(), g.Now(), g.Now().Add(time.Minute), 100)
		if err != nil || len(taken) != 2 {
			t.Fatalf("took %v, %v", taken, err)
		}
		second := g.calls("sms", said(survey.SMS, phone, "brza dostava"))
		g.start()
		g.read(second)
		g.becomes(id, survey.Completed)
		g.read(first[0])
		left, err := g.Inbound(t.Context(), first)
		if err != nil || len(left) != 1 || left[0].ID != first[1] {
			t.Errorf("of others is left %v, %v", left, err)
		}
		if n := count(g.events(id), "reply.received"); n != 2 {
			t.Errorf("%d replies", n)
		}
	})
}

// A shaky store answers one change, counted from 1, with a fault, after or without making it.
type shaky struct {
	*store.Store
	at   int32
	made bool
	n    atomic.Int32
}

func (f *shaky) ApplyFrom(ctx context.Context, known survey.State, fn func(*survey.State) error) (survey.State, error) {
	if f.n.Add(1) != f.at {
		return f.Store.ApplyFrom(ctx, known, fn)
	}
	if !f.made {
		return survey.State{}, fmt.Errorf("connection refused: %w", survey.ErrUnavailable)
	}
	if _, err := f.Store.ApplyFrom(ctx, known, fn); err != nil {
		return survey.State{}, err
	}
	return survey.State{}, fmt.Errorf("connection lost: %w", survey.ErrInDoubt)
}

// What the provider said is not lost with the database's connection, nor is a message whose claim may have been made.
func TestLaw03DatabaseGone(t *testing.T) {
	t.Parallel()
	later := fails(channels.Transient, "451")
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, tt := range []struct {
			name  string
			at    int32 // 1 is the claim, 2 the result
			made  bool
			first func(context.Context, int, channels.Message) (channels.Receipt, error)
			calls int
		}{
			{"claim not made", 1, false, nil, 1},
			{"claim made", 1, true, nil, 1},
			{"taken, not recorded", 2, false, nil, 1},
			{"taken, recorded", 2, true, nil, 1},
			{"surely not taken, not recorded", 2, false, later, 2},
			{"surely not taken, recorded", 2, true, later, 2},
		} {
			t.Run(tt.name, func(t *testing.T) {
				g := newRig(t, s)
				g.cfg.Sends = &shaky{Store: s, at: tt.at, made: tt.made}
				g.mail.say = func(ctx context.Context, n int, m channels.Message) (channels.Receipt, error) {
					if n == 0 && tt.first != nil {
						return tt.first(ctx, n, m)
					}
					return channels.Receipt{ProviderID: "p-" + m.AttemptID}, nil
				}
				id := g.accept(by(over(survey.Email, "mail")))
				g.start()
				g.until("it is sent", func() bool {
					m, attempts := g.send(id)
					if m.Status != survey.Sent && (len(attempts) == 0 || attempts[len(attempts)-1].Status == survey.AttemptFailed || tt.at == 1) {
						g.advance(time.Second)
					}
					return m.Status == survey.Sent
				})
				if n := len(g.mail.deliveries()); n != tt.calls {
					t.Errorf("the provider was called %d times, want %d", n, tt.calls)
				}
				if n := count(g.events(id), "attempt.uncertain"); n != 0 {
					t.Error("an attempt whose result is known is uncertain")
				}
			})
		}
	})
}
