package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/dispatch"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// many accepts n sends to as many people, due now.
func (g *rig) many(n int) {
	g.Helper()
	sends := make([]survey.Send, n)
	for i := range sends {
		now := g.Now()
		sends[i] = survey.Send{
			ID: g.ids.New(survey.SendPrefix, now), Mode: survey.Live, Survey: "nps-after-purchase", SurveyVersion: 1, Locale: "hr",
			CreatedAt: now, DueAt: now, ExpiresAt: now.Add(7 * 24 * time.Hour), Status: survey.Accepted, Kind: survey.Invitation,
			Plan: []survey.Step{over(survey.SMS, "sms")}, Lane: "sms",
		}
		person(i)(&sends[i])
	}
	if _, err := g.Accept(g.Context(), sends, nil); err != nil {
		g.Fatal(err)
	}
}

// counts waits until so many live sends are in one of these statuses. Stalled is called whenever that has not changed for a while.
func (g *rig) counts(n int, stalled func(), statuses ...survey.Status) {
	g.Helper()
	var last int64
	since := time.Now()
	g.until(fmt.Sprintf("%d sends are %v", n, statuses), func() bool {
		by, err := g.Counts(g.Context(), survey.Live)
		if err != nil {
			g.Fatal(err)
		}
		var now int64
		for _, status := range statuses {
			now += by[status]
		}
		if now != last {
			last, since = now, time.Now()
		} else if stalled != nil && time.Since(since) > 500*time.Millisecond {
			stalled()
			since = time.Now()
		}
		return now == int64(n)
	})
}

// later ends the leases of what was lost.
func (g *rig) later() { g.advance(g.cfg.Lease) }

// once checks that n people got one message each.
func (g *rig) once(n int) {
	g.Helper()
	got := make(map[string]int)
	for _, m := range g.sms.deliveries() {
		got[m.To]++
	}
	for to, times := range got {
		if times != 1 {
			g.Errorf("%s got %d messages", to, times)
		}
	}
	if len(got) != n {
		g.Errorf("%d people got a message, want %d", len(got), n)
	}
}

// Redis may be emptied at any moment: nothing is lost, nothing is sent twice, and work goes on.
func TestLaw04StoreIsTheTruth(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const n = 400
		g := newRig(t, s)
		g.cfg.Senders["sms"] = dispatch.Sender{Name: "sms", Channel: survey.SMS, Driver: "twilio", Via: g.sms, Concurrency: 4}
		flush := func() {
			if err := g.redis.FlushAll(context.Background()).Err(); err != nil {
				t.Error(err)
			}
		}
		gate := make(chan struct{})
		g.sms.say = func(_ context.Context, n int, _ channels.Message) (channels.Receipt, error) {
			<-gate
			if n%150 == 50 {
				flush()
			}
			return channels.Receipt{}, nil
		}
		g.many(n)
		g.start()
		g.until("attempts are under way and more wait in Redis", func() bool {
			waiting, err := g.redis.LLen(t.Context(), "asynq:{lane-sms}:pending").Result()
			if err != nil {
				t.Fatal(err)
			}
			return len(g.sms.deliveries()) == 4 && waiting > 0
		})
		flush()
		close(gate)
		g.counts(n, g.later, survey.Sent)
		g.once(n)
		in := g.calls("sms", said(survey.SMS, g.sms.deliveries()[0].To, "9"))
		g.read(in)
	})
}

// Two processes on one store and one Redis share the work.
func TestLaw03TwoDispatchersSendOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const n = 500
		g := newRig(t, s)
		g.clock = nil
		g.many(n)
		g.start()
		g.start()
		g.counts(n, nil, survey.Sent)
		g.once(n)
		claims := 0
		for _, m := range g.sms.deliveries() {
			claims += count(g.events(m.SendID), "attempt.claimed")
		}
		if claims != n {
			t.Errorf("%d claims of %d sends", claims, n)
		}
	})
}

// busiest is the most messages that a provider got in any window of that length.
func busiest(got []delivery, per time.Duration) (most int) {
	slices.SortFunc(got, func(a, b delivery) int { return a.at.Compare(b.at) })
	first := 0
	for i := range got {
		for got[i].at.Sub(got[first].at) >= per {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// What a provider sees is within the rate, with two processes, also after it was slow.
func TestLaw05RateAtTheProvider(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		say  func(context.Context, int, channels.Message) (channels.Receipt, error)
	}{
		{"steady", nil},
		{"stalls and recovers", func(_ context.Context, n int, _ channels.Message) (channels.Receipt, error) {
			if n < 64 {
				<-time.After(1200 * time.Millisecond)
			}
			return channels.Receipt{}, nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				const n, rate = 200, 50
				g := newRig(t, s)
				g.clock = nil
				g.sms.say = tt.say
				g.cfg.Senders["sms"] = dispatch.Sender{
					Name: "sms", Channel: survey.SMS, Driver: "twilio", Via: g.sms, Concurrency: 16, Rates: []dispatch.Rate{{N: rate, Per: time.Second}},
				}
				g.many(n)
				g.start()
				g.start()
				g.counts(n, nil, survey.Sent)
				g.once(n)
				if most := busiest(g.sms.deliveries(), 900*time.Millisecond); most > rate { // the driver's clock starts a little after the call
					t.Errorf("%d messages within 0.9 s, %d are allowed in a second", most, rate)
				}
			})
		})
	}
}

// Shutdown lets attempts under way end and record, starts none, and leaves none claimed.
func TestShutdown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const n = 300
		g := newRig(t, s)
		stopping := make(chan struct{})
		var after atomic.Int32
		g.sms.say = func(context.Context, int, channels.Message) (channels.Receipt, error) {
			<-stopping
			<-time.After(20 * time.Millisecond)
			after.Add(1)
			return channels.Receipt{}, nil
		}
		g.many(n)
		g.cfg.Now = g.Now
		d, err := dispatch.New(g.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.until("attempts are under way", func() bool { return len(g.sms.deliveries()) == 16 })
		close(stopping)
		d.Shutdown()
		called, ended := len(g.sms.deliveries()), int(after.Load())
		if called != ended {
			t.Errorf("%d attempts under way after Shutdown", called-ended)
		}
		sent := 0
		items, _, err := s.Sends(t.Context(), survey.SendFilter{Mode: survey.Live, Limit: n})
		if err != nil || len(items) != n {
			t.Fatalf("%d sends, %v", len(items), err)
		}
		for _, m := range items {
			_, attempts := g.send(m.ID)
			for _, a := range attempts {
				if a.Status != survey.AttemptAccepted {
					t.Errorf("attempt %s is %s", a.ID, a.Status)
				}
				sent++
			}
		}
		if sent != called {
			t.Errorf("%d attempts recorded of %d made", sent, called)
		}
		// Another process does the rest.
		g.start()
		g.counts(n, g.later, survey.Sent)
		g.once(n)
	})
}

func TestShutdownWithoutStart(t *testing.T) {
	t.Parallel()
	g := newRig(t, storetest.Open(t, storetest.SQLite))
	d, err := dispatch.New(g.cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.Shutdown()
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := dispatch.New(dispatch.Config{}); err == nil {
		t.Error("a dispatcher of nothing was made")
	}
	if _, err := dispatch.New(dispatch.Config{Senders: map[string]dispatch.Sender{"sms": {Name: "sms"}}}); err == nil {
		t.Error("a sender without a driver was taken")
	}
}

// Law 7: STOP beats everything, is confirmed once, and holds for what comes later.
func TestLaw07StopWins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		update   channels.Update
		confirms int
	}{
		{"typed", said(survey.SMS, phone, "STOP"), 1},
		{"typed in Croatian", said(survey.SMS, phone, "Odjava"), 1},
		{"the provider says so", channels.Update{Type: channels.OptOutUpdate, Channel: survey.SMS, From: phone, Text: "STOP"}, 1},
		{"the provider has confirmed", channels.Update{Type: channels.OptOutUpdate, Channel: survey.SMS, From: phone, Text: "STOP", Confirmed: true}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				g := newRig(t, s)
				id := g.accept(by(survey.Step{Channel: survey.SMS, Sender: "sms", Success: survey.AttemptDelivered, Wait: time.Hour}, over(survey.Email, "mail")))
				g.start()
				g.becomes(id, survey.Sent)
				g.read(g.calls("sms", tt.update))
				m, _ := g.becomes(id, survey.Suppressed)
				if m.Reason != survey.ReasonOptedOut {
					t.Errorf("reason %s", m.Reason)
				}
				g.read(g.calls("sms", tt.update), g.calls("sms", tt.update)) // said again, and again
				later := g.accept(by(over(survey.SMS, "sms"), over(survey.Email, "mail")))
				if m, _ := g.becomes(later, survey.Suppressed); m.Reason != survey.ReasonOptedOut {
					t.Errorf("a later send ends as %s", m.Reason)
				}
				g.advance(2 * time.Hour)
				g.settled("sms", survey.SMS)
				g.settled("mail", survey.Email)
				want := []survey.Kind{survey.Invitation}
				if tt.confirms == 1 {
					want = append(want, survey.OptOut)
				}
				if diff := cmp.Diff(want, g.sms.to(phone)); diff != "" {
					t.Errorf("messages: %s", diff)
				}
				if n := len(g.mail.to("ana@example.hr")); n != 0 {
					t.Errorf("%d mails to one who left", n)
				}
			})
		})
	}
}

// Who says STOP out of nowhere is left alone too, and a STOP while the send waits for its time is in time.
func TestLaw07StopBeforeTheSend(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		id := g.accept(func(m *survey.Send) { m.DueAt = noon().Add(time.Hour) })
		g.start()
		g.read(g.calls("sms", said(survey.SMS, phone, "stop")), g.calls("sms", said(survey.SMS, "+385910000009", "good morning")))
		g.advance(time.Hour)
		g.becomes(id, survey.Suppressed)
		if n := len(g.sms.deliveries()); n != 0 {
			t.Errorf("%d messages to one who left", n)
		}
	})
}

// STOP needs no survey: one that is not installed any more is confirmed in the person's words, and ends the plan. What else is said is kept.
func TestLaw07StopNeedsNoSurvey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		id := g.accept(by(survey.Step{Channel: survey.SMS, Sender: "sms", Success: survey.AttemptDelivered, Wait: time.Hour}, over(survey.Email, "mail")))
		first := g.start()
		g.becomes(id, survey.Sent)
		first.Shutdown()
		g.cfg.Surveys = nil
		g.start()
		g.read(g.calls("sms", said(survey.SMS, phone, "9")))
		if m, _ := g.send(id); m.Status != survey.Delivered {
			t.Errorf("a score for no survey: %s", m.Status)
		}
		g.read(g.calls("sms", said(survey.SMS, phone, "odjava")), g.calls("sms", said(survey.SMS, phone, "STOP")))
		if m, _ := g.becomes(id, survey.Suppressed); m.Reason != survey.ReasonOptedOut {
			t.Errorf("reason %s", m.Reason)
		}
		g.until("STOP is confirmed", func() bool { return len(g.sms.deliveries()) > 1 })
		if diff := cmp.Diff([]survey.Kind{survey.Invitation, survey.OptOut}, g.sms.to(phone)); diff != "" {
			t.Errorf("messages: %s", diff)
		}
		if m := g.sms.deliveries()[1]; m.Locale != "hr" || m.Text == "" {
			t.Errorf("confirmed in %q: %q", m.Locale, m.Text)
		}
		if n := len(g.mail.deliveries()); n != 0 {
			t.Errorf("%d mails to one who left", n)
		}
	})
}

// STOP of an address that a send knows no more holds for the address.
func TestLaw07StopOfAnotherAddress(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		id := g.accept(by(over(survey.Viber, "bot")))
		g.start()
		g.becomes(id, survey.Sent)
		g.read(g.calls("bot", channels.Update{Type: channels.OptOutUpdate, Channel: survey.Viber, From: "eve==", SendID: id}))
		later := g.accept(func(m *survey.Send) {
			m.Recipient, m.Plan = survey.Recipient{ViberID: "eve=="}, []survey.Step{over(survey.Viber, "bot")}
		})
		g.becomes(later, survey.Suppressed)
		if m, _ := g.send(id); m.Status != survey.Sent {
			t.Errorf("the send of another is %s", m.Status)
		}
	})
}

// A whole conversation by callbacks that repeat and come in any order.
func TestConversation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		id := g.accept(by(survey.Step{Channel: survey.Viber, Sender: "bot", Success: survey.AttemptDelivered, Wait: time.Hour}, over(survey.SMS, "sms")))
		g.start()
		g.becomes(id, survey.Sent)
		invitation := g.bot.deliveries()[0]
		if len(invitation.Buttons) != 11 || invitation.Buttons[9].Payload != survey.Payload(id, 9) {
			t.Fatalf("keys: %+v", invitation.Buttons)
		}
		read, delivered := reported(invitation, survey.AttemptRead), reported(invitation, survey.AttemptDelivered)
		g.read(g.calls("bot", read), g.calls("bot", delivered), g.calls("bot", delivered, read))
		tap := channels.Update{Type: channels.ReplyUpdate, Channel: survey.Viber, From: "ana==", SendID: id, Button: survey.Payload(id, 9), Text: "9"}
		first := g.calls("bot", tap)
		g.read(first)
		g.becomes(id, survey.Answered)
		g.until("the follow-up is said", func() bool { return len(g.bot.to("ana==")) == 2 })
		g.read(g.calls("bot", tap)) // another tap on the same key
		g.read(g.calls("bot", said(survey.Viber, "ana==", "Brza dostava, super!")))
		g.becomes(id, survey.Completed)
		g.until("thanks are said", func() bool { return len(g.bot.to("ana==")) == 3 })
		g.read(g.calls("bot", reported(g.bot.deliveries()[2], survey.AttemptRead), reported(g.bot.deliveries()[1], survey.AttemptDelivered), delivered))
		g.read(g.calls("bot", said(survey.Viber, "ana==", "hvala")))
		g.advance(2 * time.Hour)
		g.settled("sms", survey.SMS)
		g.settled("bot", survey.Viber)
		want := []survey.Kind{survey.Invitation, survey.FollowupPromoter, survey.ThanksPromoter}
		if diff := cmp.Diff(want, g.bot.to("ana==")); diff != "" {
			t.Errorf("messages: %s", diff)
		}
		if n := len(g.sms.to(phone)); n != 0 {
			t.Errorf("the next step went out to one who answered: %d", n)
		}
		items, _, err := s.Responses(t.Context(), survey.ResponseFilter{SendID: id})
		if err != nil || len(items) != 1 || items[0].Score != 9 || !items[0].Complete || len(items[0].Answers) != 2 || items[0].Answers[1].Text != "Brza dostava, super!" {
			t.Errorf("response: %+v, %v", items, err)
		}
		m, attempts := g.becomes(id, survey.Completed)
		if attempts[0].Status != survey.AttemptRead || m.Lane != "" {
			t.Errorf("attempt %s, lane %q", attempts[0].Status, m.Lane)
		}
		if types := g.events(id); count(types, "send.completed") != 1 || count(types, "attempt.read") != 2 {
			t.Errorf("ledger: %v", types)
		}
	})
}

// What one person says in one batch is taken in in its order.
func TestRepliesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		const n = 20
		g.many(n)
		first := g.start()
		g.counts(n, nil, survey.Sent)
		first.Shutdown()
		for i := range n { // all came while nobody read
			var m survey.Send
			person(i)(&m)
			g.calls("sms", said(survey.SMS, m.Recipient.Phone, "3"))
			g.calls("sms", said(survey.SMS, m.Recipient.Phone, "Kasnilo je tri dana"))
		}
		g.start()
		g.counts(n, g.later, survey.Completed)
		g.until("thanks are said", func() bool { return len(g.sms.deliveries()) >= 2*n })
		for _, m := range g.sms.deliveries() {
			if m.Kind == survey.Clarify {
				t.Error("a clarifying question was asked: the replies were taken in the wrong order")
			}
		}
	})
}

// One callback at fault holds up no other.
func TestInboxWithPoison(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		id := g.accept(nil)
		g.start()
		g.becomes(id, survey.Sent)
		var ids []string
		for _, body := range []string{"panic", "{", "null", "[]", `[{"type":"later"}]`} {
			ids = append(ids, g.callsRaw("sms", body))
		}
		ids = append(ids, g.callsRaw("gone", "[]"), g.calls("sms", said(survey.SMS, phone, "10")))
		g.read(ids...)
		g.becomes(id, survey.Answered)
	})
}

// A payload can be typed by anybody: only the person who was asked answers with it.
func TestPayloadOfAnother(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		id := g.accept(by(over(survey.Viber, "bot")))
		g.start()
		g.becomes(id, survey.Sent)
		for _, from := range []string{"eve==", ""} {
			u := channels.Update{Type: channels.ReplyUpdate, Channel: survey.Viber, From: from, SendID: id, Button: survey.Payload(id, 0), Text: "0"}
			stop := channels.Update{Type: channels.OptOutUpdate, Channel: survey.Viber, From: from, SendID: id}
			g.read(g.calls("bot", u), g.calls("bot", stop))
		}
		m, _ := g.send(id)
		if m.Status != survey.Sent || m.Thread.Address != "ana==" || len(g.bot.to("eve==")) != 0 {
			t.Errorf("another's tap: %s, thread with %q", m.Status, m.Thread.Address)
		}
		g.read(g.calls("bot", channels.Update{Type: channels.ReplyUpdate, Channel: survey.Viber, From: "ana==", SendID: id, Button: survey.Payload(id, 10), Text: "10"}))
		g.becomes(id, survey.Answered)
	})
}

// Wake never blocks, and a send that was accepted before it is sent before the next poll.
func TestWake(t *testing.T) {
	t.Parallel()
	g := newRig(t, storetest.Open(t, storetest.SQLite))
	g.cfg.Poll = time.Hour
	d := g.start()
	g.accept(nil)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(d.Wake)
	}
	wg.Wait()
	g.until("sent", func() bool { return len(g.sms.deliveries()) == 1 })
}

// A receipt that nobody can place yet does not hold up what the same person says.
func TestLaw07StopBehindAReceipt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		id := g.accept(by(over(survey.Viber, "bot")))
		g.start()
		g.becomes(id, survey.Sent)
		g.calls("bot", channels.Update{Type: channels.StatusUpdate, Channel: survey.Viber, ProviderID: "token-of-another", From: "ana==", Status: survey.AttemptDelivered})
		g.until("the receipt is put back", func() bool { return g.log.has("inbound not understood, looked at again") })
		g.read(g.calls("bot", said(survey.Viber, "ana==", "STOP")))
		g.becomes(id, survey.Suppressed)
	})
}

// What counts is when a person left and came back, not when we hear of it; and coming back is heard of people without a conversation too.
func TestLaw07ComingBack(t *testing.T) {
	t.Parallel()
	word := func(kind, from string, at time.Time) channels.Update {
		return channels.Update{Type: kind, Channel: survey.Viber, From: from, Confirmed: true, At: at}
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		g := newRig(t, s)
		to := func(id string) string {
			return g.accept(func(m *survey.Send) {
				m.Recipient, m.Plan = survey.Recipient{ViberID: id}, []survey.Step{over(survey.Viber, "bot")}
			})
		}
		known := to("known==")
		g.start()
		g.becomes(known, survey.Sent)
		left := g.Now()
		for _, who := range []string{"known==", "stranger=="} {
			g.advance(time.Hour) // what they said reaches us late
			g.read(g.calls("bot", word(channels.OptOutUpdate, who, left)))
			g.read(g.calls("bot", word(channels.OptInUpdate, who, left.Add(-time.Minute))))
			g.becomes(to(who), survey.Suppressed)
			g.read(g.calls("bot", word(channels.OptInUpdate, who, left.Add(time.Minute))))
			g.becomes(to(who), survey.Sent)
		}
		// By the operator: no word lifts it.
		err := s.Suppress(t.Context(), survey.Suppression{Mode: survey.Live, Channel: survey.Viber, Address: "stranger==", Reason: "complaint", Source: "key_1", At: left})
		if err != nil {
			t.Fatal(err)
		}
		g.read(g.calls("bot", word(channels.OptInUpdate, "other==", time.Time{})), g.calls("bot", said(survey.Viber, "stranger==", "START")))
		g.becomes(to("stranger=="), survey.Suppressed)
		// Of one whom no message reached.
		g.bot.say = fails(channels.Unreachable, "6")
		g.becomes(to("gone=="), survey.Failed)
		g.bot.say = nil
		g.read(g.calls("bot", word(channels.OptInUpdate, "gone==", g.Now())))
		g.becomes(to("gone=="), survey.Sent)
	})
}
