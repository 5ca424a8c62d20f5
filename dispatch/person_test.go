package dispatch_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/dispatch"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// known waits until the person of a send is known by an address.
func (g *rig) known(id, address string) {
	g.Helper()
	g.until("the person is known by "+address, func() bool {
		m, _ := g.send(id)
		persons, err := g.Persons(g.Context(), []survey.State{{Send: m}})
		if err != nil {
			g.Fatal(err)
		}
		return slices.Contains(persons[id], address)
	})
}

func toPhone(m *survey.Send) { m.Recipient = survey.Recipient{Phone: phone} }

func toMail(m *survey.Send) {
	m.Recipient, m.Plan = survey.Recipient{Email: "ana@example.hr"}, []survey.Step{over(survey.Email, "mail")}
}

// Who says STOP at one address is not written to at another, though a message there was about to go.
func TestLaw07StopElsewhereWhileWaiting(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		mail := g.cfg.Senders["mail"]
		mail.Concurrency = 1
		g.cfg.Senders["mail"] = mail
		stopped := make(chan struct{})
		g.mail.say = func(_ context.Context, _ int, m channels.Message) (channels.Receipt, error) {
			<-stopped
			return channels.Receipt{ProviderID: "p-" + m.AttemptID}, nil
		}
		first := g.accept(nil)
		g.start()
		g.becomes(first, survey.Sent)
		due := g.Now().Add(time.Hour)
		for range 9 { // more than are claimed at once
			g.accept(func(m *survey.Send) {
				toMail(m)
				m.Recipient.Email, m.DueAt = "boris@example.hr", due
			})
		}
		ana := g.accept(func(m *survey.Send) {
			toMail(m)
			m.DueAt = due.Add(time.Second)
		})
		g.known(ana, phone)
		g.set(due.Add(time.Second))
		g.until("the first mail goes", func() bool { return len(g.mail.deliveries()) == 1 })
		g.read(g.calls("sms", said(survey.SMS, phone, "STOP")))
		g.becomes(first, survey.Suppressed)
		g.advance(2 * time.Second)
		close(stopped)
		g.becomes(ana, survey.Suppressed)
		if kinds := g.mail.to("ana@example.hr"); len(kinds) != 0 {
			t.Errorf("mails to who left: %v", kinds)
		}
	})
}

// together holds back the first two that read facts until both have.
type together struct {
	*store.Store
	on   atomic.Bool
	n    atomic.Int32
	both sync.WaitGroup
}

func (f *together) Facts(ctx context.Context, states []survey.State, persons map[string][]string) (map[string]survey.Facts, error) {
	facts, err := f.Store.Facts(ctx, states, persons)
	if f.on.Load() && f.n.Add(1) <= 2 {
		f.both.Done()
		f.both.Wait()
	}
	return facts, err
}

// Two sends that name one person otherwise, due together, are one invitation within the cooldown.
func TestCooldownOfPersonDueTogether(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.cfg.Policy.Fatigue.AfterInvite.Any = 24 * time.Hour
		sends := &together{Store: s}
		sends.both.Add(2)
		g.cfg.Sends = sends
		first := g.accept(nil)
		g.start()
		g.becomes(first, survey.Sent)
		due := g.Now().Add(48 * time.Hour)
		at := func(to func(*survey.Send)) string {
			return g.accept(func(m *survey.Send) {
				to(m)
				m.DueAt = due
			})
		}
		a, b := at(toPhone), at(toMail)
		g.known(a, "ana@example.hr")
		g.known(b, phone)
		sends.on.Store(true)
		g.set(due)
		var statuses []survey.Status
		g.until("both are decided", func() bool {
			x, _ := g.send(a)
			y, _ := g.send(b)
			statuses = []survey.Status{x.Status, y.Status}
			return x.Lane == "" && y.Lane == ""
		})
		if slices.Sort(statuses); !slices.Equal(statuses, []survey.Status{survey.Sent, survey.Suppressed}) {
			t.Errorf("they became %v", statuses)
		}
	})
}

// A message that waited for its turn in a session that is open goes out.
func TestTurnWithinASession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		first := g.start()
		people := []string{"ana==", "boris=="}
		to := func(id string) string {
			return g.accept(func(m *survey.Send) {
				m.Recipient, m.Plan = survey.Recipient{ViberID: id}, []survey.Step{over(survey.Viber, "bot")}
			})
		}
		for _, id := range people {
			g.becomes(to(id), survey.Sent)
			g.read(g.calls("bot", said(survey.Viber, id, "9")))
			g.until("the follow-up is said", func() bool { return len(g.bot.to(id)) == 2 })
		}
		first.Shutdown()
		g.cfg.Policy.Viber = survey.SessionPolicy{Window: 24 * time.Hour, SessionOnly: true}
		bot := g.cfg.Senders["bot"]
		bot.Rates = []dispatch.Rate{{N: 1, Per: time.Second}}
		g.cfg.Senders["bot"] = bot
		answer := make(chan struct{})
		g.bot.say = func(_ context.Context, _ int, m channels.Message) (channels.Receipt, error) {
			<-answer
			return channels.Receipt{ProviderID: "p-" + m.AttemptID}, nil
		}
		g.start()
		ids := []string{to(people[0]), to(people[1])}
		claimed := func(id string) bool {
			_, attempts := g.send(id)
			return len(attempts) > 0 && attempts[0].Status == survey.AttemptClaimed
		}
		g.until("one is at the provider, and one waits for its turn", func() bool { return claimed(ids[0]) && claimed(ids[1]) })
		g.advance(2 * time.Second)
		close(answer)
		for _, id := range ids {
			if _, attempts := g.becomes(id, survey.Sent); len(attempts) != 1 {
				t.Errorf("%d attempts: %+v", len(attempts), attempts)
			}
		}
	})
}
