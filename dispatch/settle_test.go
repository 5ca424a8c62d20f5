package dispatch_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// A finder is a driver whose provider can be asked.
type finder struct {
	*driver
	asked atomic.Int32
	has   func(l channels.Lookup) ([]channels.Update, error)
}

func (f *finder) Find(_ context.Context, l channels.Lookup) ([]channels.Update, error) {
	f.asked.Add(1)
	return f.has(l)
}

// A deduper is a driver whose provider takes an attempt once.
type deduper struct{ *driver }

func (deduper) Dedupes() bool { return true }

// lost answers the first n calls with nothing; the provider may have taken them.
func lost(n int) func(context.Context, int, channels.Message) (channels.Receipt, error) {
	return func(_ context.Context, i int, m channels.Message) (channels.Receipt, error) {
		if i < n {
			return channels.Receipt{}, errors.New("no answer")
		}
		return channels.Receipt{ProviderID: "p-" + m.AttemptID}, nil
	}
}

func (g *rig) via(name string, c channels.Channel) {
	s := g.cfg.Senders[name]
	s.Via = c
	g.cfg.Senders[name] = s
}

// uncertain accepts a send whose first attempt gets no answer, and waits until this is recorded.
func (g *rig) uncertain() string {
	g.Helper()
	id := g.accept(nil)
	g.until("the attempt is uncertain", func() bool {
		_, attempts := g.send(id)
		return len(attempts) == 1 && attempts[0].Status == survey.AttemptUncertain
	})
	return id
}

func TestLookUp(t *testing.T) {
	t.Parallel()
	there := func(g *rig, l channels.Lookup) ([]channels.Update, error) {
		if l.To != phone || !l.Since.Equal(noon()) {
			return nil, errors.New("asked for another message")
		}
		return []channels.Update{{ProviderID: "SM1", Status: survey.AttemptSent, Text: g.sms.deliveries()[0].Text}}, nil
	}
	t.Run("there", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			g := newRig(t, s)
			f := &finder{driver: g.sms, has: func(l channels.Lookup) ([]channels.Update, error) { return there(g, l) }}
			g.sms.say = lost(1)
			g.via("sms", f)
			g.start()
			id := g.uncertain()
			g.advance(time.Minute)
			m, attempts := g.becomes(id, survey.Sent)
			if attempts[0].ProviderID != "SM1" || attempts[0].Status != survey.AttemptSent || m.Lane != "" || len(g.sms.deliveries()) != 1 {
				t.Errorf("attempt %+v, lane %q, %d calls", attempts[0], m.Lane, len(g.sms.deliveries()))
			}
		})
	})
	t.Run("not there is believed late, and the message is sent again", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			g := newRig(t, s)
			f := &finder{driver: g.sms, has: func(channels.Lookup) ([]channels.Update, error) { return nil, nil }}
			g.sms.say = lost(1)
			g.via("sms", f)
			g.start()
			id := g.uncertain()
			g.advance(time.Minute)
			g.until("it was looked up", func() bool { return f.asked.Load() == 1 })
			g.settled("mail", survey.Email)
			if _, attempts := g.send(id); len(attempts) != 1 || attempts[0].Status != survey.AttemptUncertain {
				t.Fatalf("after a minute %+v", attempts)
			}
			g.advance(10 * time.Minute)
			g.until("it is not there", func() bool { m, _ := g.send(id); return m.Status == survey.Scheduled })
			g.advance(time.Minute)
			_, attempts := g.becomes(id, survey.Sent)
			if len(attempts) != 2 || attempts[0].Code != "not_there" || attempts[0].Status != survey.AttemptFailed {
				t.Errorf("attempts %+v", attempts)
			}
		})
	})
	t.Run("the same words of another attempt are not ours", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			g := newRig(t, s)
			f := &finder{driver: g.sms}
			f.has = func(channels.Lookup) ([]channels.Update, error) {
				got := g.sms.deliveries()
				return []channels.Update{
					{ProviderID: "p-" + got[0].AttemptID, Status: survey.AttemptDelivered, Text: got[1].Text},
					{ProviderID: "SM2", Status: survey.AttemptDelivered, Text: got[1].Text},
				}, nil
			}
			g.sms.say = func(_ context.Context, n int, m channels.Message) (channels.Receipt, error) {
				if n == 1 {
					return channels.Receipt{}, errors.New("no answer")
				}
				return channels.Receipt{ProviderID: "p-" + m.AttemptID}, nil
			}
			g.via("sms", f)
			g.start()
			first := g.accept(nil)
			g.becomes(first, survey.Sent)
			id := g.uncertain()
			g.advance(time.Minute)
			if _, attempts := g.becomes(id, survey.Delivered); attempts[0].ProviderID != "SM2" {
				t.Errorf("found %q", attempts[0].ProviderID)
			}
		})
	})
	t.Run("there, when the grace time is over", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			g := newRig(t, s)
			g.sms.say = lost(1)
			g.via("sms", &finder{driver: g.sms, has: func(l channels.Lookup) ([]channels.Update, error) { return there(g, l) }})
			g.start()
			id := g.uncertain()
			g.advance(survey.UncertainGrace)
			if _, attempts := g.becomes(id, survey.Sent); attempts[0].ProviderID != "SM1" {
				t.Errorf("attempt %+v", attempts[0])
			}
		})
	})
	t.Run("what has other words may be ours: it is not sent again", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			g := newRig(t, s)
			f := &finder{driver: g.sms, has: func(channels.Lookup) ([]channels.Update, error) {
				return []channels.Update{{ProviderID: "SM1", Status: survey.AttemptSent, Text: "redacted"}}, nil
			}}
			g.sms.say = lost(1)
			g.via("sms", f)
			g.start()
			id := g.uncertain()
			g.advance(time.Hour)
			g.until("it was looked up", func() bool { return f.asked.Load() == 1 })
			g.settled("mail", survey.Email)
			if _, attempts := g.send(id); len(attempts) != 1 || attempts[0].Status != survey.AttemptUncertain {
				t.Errorf("attempts %+v", attempts)
			}
		})
	})
	t.Run("nothing learned until the grace time is over", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			g := newRig(t, s)
			f := &finder{driver: g.sms, has: func(channels.Lookup) ([]channels.Update, error) { return nil, errors.New("busy") }}
			g.sms.say = lost(1)
			g.via("sms", f)
			g.start()
			id := g.uncertain()
			g.advance(survey.UncertainGrace)
			if m, _ := g.becomes(id, survey.Failed); m.Reason != survey.ReasonUncertain || len(g.sms.deliveries()) != 1 {
				t.Errorf("reason %s, %d calls", m.Reason, len(g.sms.deliveries()))
			}
		})
	})
}

// A provider that takes an id once gets the same attempt again.
func TestRepeatAtAProviderThatDedupes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.sms.say = lost(2)
		g.via("sms", deduper{g.sms})
		g.start()
		id := g.uncertain()
		g.advance(time.Minute)
		g.until("it is repeated", func() bool { return len(g.sms.deliveries()) == 2 })
		g.until("that is recorded", func() bool { m, _ := g.send(id); return m.Thread.Looked == 1 && m.DueAt.After(g.Now()) })
		g.until("it is taken", func() bool {
			m, _ := g.send(id)
			if m.DueAt.After(g.Now()) && m.Status == survey.Sending {
				g.set(m.DueAt)
			}
			return m.Status == survey.Sent
		})
		_, attempts := g.send(id)
		got := g.sms.deliveries()
		if len(attempts) != 1 || len(got) != 3 || got[0].AttemptID != got[2].AttemptID || got[0].StatusURL != got[2].StatusURL || got[2].Text != got[0].Text {
			t.Errorf("%d attempts, %d calls: %+v", len(attempts), len(got), got)
		}
	})
}

func TestFailOver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		second := &driver{}
		spare := g.cfg.Senders["sms"]
		spare.Name, spare.Via = "sms-2", second
		g.cfg.Senders["sms-2"] = spare
		g.sms.say = fails(channels.Misconfigured, "20003")
		g.start()
		id := g.accept(nil)
		m, attempts := g.becomes(id, survey.Sent)
		if len(attempts) != 2 || attempts[1].Sender != "sms-2" || m.Plan[0].Sender != "sms-2" {
			t.Errorf("attempts %+v, plan %+v", attempts, m.Plan)
		}
		// What waits for the paused sender goes over without trying it.
		second.say = nil
		id = g.accept(person(2))
		if _, attempts := g.becomes(id, survey.Sent); len(attempts) != 1 || attempts[0].Sender != "sms-2" {
			t.Errorf("attempts %+v", attempts)
		}
	})
}

// Messages of conversations stay with their sender when it is paused, however many: what waits behind them goes over to another.
func TestFailOverBehindConversations(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		spare := g.cfg.Senders["sms"]
		spare.Name, spare.Via = "sms-2", &driver{}
		g.cfg.Senders["sms-2"] = spare
		g.sms.say = fails(channels.Misconfigured, "20003")
		talks := make([]survey.Send, 0, 501) // more than are looked at together
		for i := range cap(talks) {
			m := survey.Send{
				ID: g.ids.New(survey.SendPrefix, g.Now()), Mode: survey.Live, Survey: "nps-after-purchase", SurveyVersion: 1, Locale: "hr",
				CreatedAt: g.Now(), DueAt: g.Now(), ExpiresAt: g.Now(), Status: survey.Accepted, Kind: survey.Thanks(survey.Promoter), Lane: "sms", Plan: []survey.Step{over(survey.SMS, "sms")},
			}
			person(i + 10)(&m)
			talks = append(talks, m)
		}
		g.start()
		g.becomes(g.accept(person(1)), survey.Sent) // by the other sender, and this one rests
		if _, err := g.Accept(g.Context(), talks, nil); err != nil {
			t.Fatal(err)
		}
		if _, attempts := g.becomes(g.accept(person(2)), survey.Sent); len(attempts) != 1 || attempts[0].Sender != "sms-2" {
			t.Errorf("attempts %+v", attempts)
		}
		if m, _ := g.send(talks[0].ID); m.Lane != "sms" {
			t.Errorf("a conversation went to %q", m.Lane)
		}
	})
}

// While configurations change, another process may know the sender.
func TestLaneOfNobodyWaitsAWhile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		g.start()
		id := g.accept(by(over(survey.SMS, "gone")))
		g.settled("sms", survey.SMS)
		if m, _ := g.send(id); m.Status != survey.Accepted {
			t.Fatalf("at once: %s", m.Status)
		}
		g.advance(11 * time.Minute)
		if m, _ := g.becomes(id, survey.Failed); m.Reason != survey.ReasonNoSender {
			t.Errorf("reason %s", m.Reason)
		}
	})
}

// STOP wins against a message that was claimed and waits until the provider can be called.
func TestLaw07StopWhileWaitingForTheProvider(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		sms := g.cfg.Senders["sms"]
		sms.Concurrency = 1
		g.cfg.Senders["sms"] = sms
		busy := make(chan struct{})
		g.sms.say = func(context.Context, int, channels.Message) (channels.Receipt, error) {
			<-busy
			return channels.Receipt{ProviderID: "p"}, nil
		}
		ids := []string{g.accept(person(1)), g.accept(person(2))}
		g.start()
		var waits survey.Send
		g.until("one is at the provider and the other is claimed", func() bool {
			waits = survey.Send{}
			for _, id := range ids {
				if m, attempts := g.send(id); len(attempts) == 1 && len(g.sms.to(m.Recipient.Phone)) == 0 {
					waits = m
				}
			}
			return len(g.sms.deliveries()) == 1 && waits.ID != ""
		})
		stop := survey.Suppression{
			Mode: survey.Live, Channel: survey.SMS, Address: waits.Recipient.Phone, Scope: survey.ScopeAll, Reason: "stop_keyword", At: g.Now(),
		}
		if err := g.Suppress(g.Context(), stop); err != nil {
			t.Fatal(err)
		}
		g.advance(2 * time.Second)
		close(busy)
		g.until("it is not sent now", func() bool { m, _ := g.send(waits.ID); return m.Status == survey.Scheduled })
		g.advance(time.Minute)
		g.becomes(waits.ID, survey.Suppressed)
		if got := g.sms.to(waits.Recipient.Phone); len(got) != 0 {
			t.Errorf("after STOP: %v", got)
		}
	})
}
