package store_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// factsOf are those that a send would be decided with, the past by send.
func factsOf(t *testing.T, s *store.Store, st survey.State) survey.Facts {
	t.Helper()
	all, err := s.Facts(t.Context(), []survey.State{st}, nil)
	must(t, err)
	f := all[st.Send.ID]
	slices.SortFunc(f.Past, func(a, b survey.Past) int { return strings.Compare(a.SendID, b.SendID) })
	return f
}

func pastOf(t *testing.T, s *store.Store, m survey.Send) []survey.Past {
	t.Helper()
	if m.ID == "" {
		m.ID = "snd_asks"
	}
	return factsOf(t, s, survey.State{Send: m}).Past
}

// ends makes an attempt at a send and lets it end in a status.
func ends(t *testing.T, s *store.Store, id string, a survey.Attempt, status survey.AttemptStatus) {
	t.Helper()
	a.Status = survey.AttemptClaimed
	st, err := s.Apply(t.Context(), id, func(st *survey.State) error {
		st.Attempts = append(st.Attempts, a)
		return nil
	})
	must(t, err)
	if status == survey.AttemptClaimed {
		return
	}
	_, err = s.ApplyFrom(t.Context(), st, func(st *survey.State) error {
		st.Attempts[len(st.Attempts)-1].Status = status
		return nil
	})
	must(t, err)
}

func TestPast(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		person := newSend(1).Recipient
		var sends []survey.Send
		for i := range 6 {
			m := newSend(i)
			m.Recipient = person
			sends = append(sends, m)
		}
		sends[1].Transaction.Touchpoint = "call centre\n100 %"
		sends[5].Mode = survey.Test
		out := accept(t, s, sends...)
		sms := func(at time.Time) survey.Attempt {
			return survey.Attempt{Kind: survey.Invitation, Channel: survey.SMS, Sender: "sms", Address: person.Phone, At: at}
		}
		mail := func(at time.Time) survey.Attempt {
			return survey.Attempt{Kind: survey.Reminder, Channel: survey.Email, Sender: "mail", Address: person.Email, At: at}
		}
		hour := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Hour) }
		answer := func(id string, at time.Time, thread survey.Thread) {
			t.Helper()
			_, err := s.Apply(ctx, id, func(st *survey.State) error {
				st.Send.Thread = thread
				st.Response = &survey.Response{Mode: st.Send.Mode, Metric: survey.NPS, CreatedAt: at}
				return nil
			})
			must(t, err)
		}
		ends(t, s, out[0].ID, sms(hour(0)), survey.AttemptAccepted)
		ends(t, s, out[0].ID, mail(hour(1)), survey.AttemptAccepted) // reminded on another channel
		ends(t, s, out[1].ID, mail(hour(2)), survey.AttemptUncertain)
		answer(out[1].ID, hour(3), survey.Thread{}) // on the page
		ends(t, s, out[2].ID, sms(hour(4)), survey.AttemptFailed)
		swapped := survey.Thread{Survey: "short", Version: 2, Channel: survey.SMS, Address: person.Phone}
		_, err := s.Apply(ctx, out[3].ID, func(st *survey.State) error { st.Send.Thread = swapped; return nil })
		must(t, err)
		ends(t, s, out[3].ID, sms(hour(5)), survey.AttemptDelivered)
		answer(out[3].ID, hour(6), swapped)
		answer(out[4].ID, hour(7), survey.Thread{Channel: survey.SMS, Address: person.Phone}) // never invited by us
		ends(t, s, out[5].ID, sms(hour(8)), survey.AttemptAccepted)

		nps := "nps-after-purchase"
		want := []survey.Past{
			{SendID: out[0].ID, Survey: nps, Touchpoint: "delivery", Channel: survey.Email, InvitedAt: hour(1)},
			{SendID: out[1].ID, Survey: nps, Touchpoint: "call centre\n100 %", Channel: survey.Email, InvitedAt: hour(2), AnsweredAt: hour(3)},
			{SendID: out[3].ID, Survey: "short", Touchpoint: "delivery", Channel: survey.SMS, InvitedAt: hour(5), AnsweredAt: hour(6)},
			{SendID: out[4].ID, Survey: nps, Touchpoint: "delivery", Channel: survey.SMS, AnsweredAt: hour(7)},
		}
		diff(t, "past", want, pastOf(t, s, survey.Send{Mode: survey.Live, Recipient: person}))
		own := sends[0]
		own.ID = out[0].ID
		diff(t, "past of the first send", want[1:], pastOf(t, s, own))
		diff(t, "past by mail", want[:2], pastOf(t, s, survey.Send{Mode: survey.Live, Recipient: survey.Recipient{Email: person.Email}}))
		if p := pastOf(t, s, survey.Send{Mode: survey.Test, Recipient: person}); len(p) != 1 || p[0].SendID != out[5].ID {
			t.Errorf("past of test sends: %+v", p)
		}
	})
}

// What reached nobody is taken back, and counts again when the handset says that it did.
func TestPastOfFailedAttempts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		id := accept(t, s, newSend(1))[0].ID
		asks := survey.Send{Mode: survey.Live, Recipient: newSend(1).Recipient}
		invited := func(want bool) {
			t.Helper()
			if p := pastOf(t, s, asks); (len(p) == 1) != want {
				t.Errorf("past %+v, want one: %t", p, want)
			}
		}
		set := func(status survey.AttemptStatus) {
			t.Helper()
			_, err := s.Apply(t.Context(), id, func(st *survey.State) error { st.Attempts[0].Status = status; return nil })
			must(t, err)
		}
		a := survey.Attempt{Kind: survey.Invitation, Channel: survey.SMS, Address: asks.Recipient.Phone, At: t0}
		ends(t, s, id, a, survey.AttemptClaimed)
		invited(true) // it may be on its way
		set(survey.AttemptFailed)
		invited(false)
		set(survey.AttemptDelivered)
		invited(true)
	})
}

// The last 50 invitations are remembered, however many there were, and no torn line is read.
func TestPastIsBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const n = 300
		var sends []survey.Send
		for i := range n {
			m := newSend(i)
			m.Recipient = newSend(1).Recipient
			m.Transaction.Touchpoint = "touchpoint-" + strconv.Itoa(i)
			sends = append(sends, m)
		}
		phone := newSend(1).Recipient.Phone
		latest := map[string]int{}
		for i, o := range accept(t, s, sends...) {
			at := t0.Add(time.Duration(i) * time.Minute)
			ends(t, s, o.ID, survey.Attempt{Kind: survey.Invitation, Channel: survey.SMS, Address: phone, At: at}, survey.AttemptClaimed)
			latest[o.ID] = i
		}
		past := pastOf(t, s, survey.Send{Mode: survey.Live, Recipient: newSend(1).Recipient})
		if len(past) < 50 || len(past) >= n {
			t.Errorf("%d remembered of %d", len(past), n)
		}
		for _, p := range past {
			i, ok := latest[p.SendID]
			if !ok || i < n-len(past) || p.Touchpoint != "touchpoint-"+strconv.Itoa(i) || !p.InvitedAt.Equal(t0.Add(time.Duration(i)*time.Minute)) {
				t.Errorf("remembered %+v, the %d. of the last %d", p, i, len(past))
			}
		}
	})
}

func TestSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		id := accept(t, s, newSend(1))[0].ID
		st := load(t, s, id)
		st.Send.Recipient.ViberID = "v1"
		check := func(what string, want survey.Session) {
			t.Helper()
			diff(t, what, want, factsOf(t, s, st).Session)
		}
		say := func(kind survey.Kind, c survey.Channel, status survey.AttemptStatus) {
			t.Helper()
			ends(t, s, id, survey.Attempt{Kind: kind, Channel: c, Sender: "bot", Address: "v1", At: t0}, status)
		}
		hears := 0
		hear := func(at time.Time) {
			t.Helper()
			hears++
			_, err := s.Apply(ctx, id, func(st *survey.State) error {
				st.Send.Thread.Channel, st.Send.Thread.Address = survey.Viber, "v1"
				st.Send.Thread.Heard = strings.TrimSpace(st.Send.Thread.Heard + " inb_" + strconv.Itoa(hears))
				st.Record(at, "reply.received")
				return nil
			})
			must(t, err)
		}
		check("nothing said", survey.Session{})
		say(survey.Invitation, survey.Viber, survey.AttemptAccepted)
		say(survey.Reminder, survey.Viber, survey.AttemptUncertain)
		say(survey.Reminder, survey.Viber, survey.AttemptFailed)
		say(survey.Reminder, survey.SMS, survey.AttemptAccepted)
		check("two said", survey.Session{Unanswered: 2, Said: 2})
		hear(t0)
		check("heard", survey.Session{HeardAt: t0})
		say(survey.FollowupPassive, survey.Viber, survey.AttemptClaimed)
		say(survey.ThanksPassive, survey.Viber, survey.AttemptAccepted)
		check("two more", survey.Session{HeardAt: t0, Unanswered: 2, Said: 2})
		hear(t0.Add(24 * time.Hour))
		check("heard in the session", survey.Session{HeardAt: t0.Add(24 * time.Hour), Said: 2})
		say(survey.ThanksPassive, survey.Viber, survey.AttemptAccepted)
		check("one more", survey.Session{HeardAt: t0.Add(24 * time.Hour), Unanswered: 1, Said: 3})
		hear(t0.Add(49 * time.Hour))
		check("a new session", survey.Session{HeardAt: t0.Add(49 * time.Hour)})
		if _, err := s.SendOfThread(ctx, survey.Live, survey.Viber, "v1"); err != nil {
			t.Errorf("thread: %v", err)
		}
	})
}

// What was asked and answered at one address of a contact is known at another at once: nothing waits for the contact to be written.
func TestPastOfContact(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		asked, next := newSend(1), newSend(2)
		asked.Recipient = survey.Recipient{ExternalID: "c-1", Phone: "+385911111111"}
		next.Recipient = survey.Recipient{ExternalID: "c-1", Phone: "+385922222222"}
		out := accept(t, s, asked, next)
		ends(t, s, out[0].ID, survey.Attempt{Kind: survey.Invitation, Channel: survey.SMS, Sender: "sms", Address: asked.Recipient.Phone, At: t0}, survey.AttemptAccepted)
		_, err := s.Apply(t.Context(), out[0].ID, func(st *survey.State) error {
			st.Response = &survey.Response{Mode: st.Send.Mode, Metric: survey.NPS, CreatedAt: t0.Add(time.Hour)}
			return nil
		})
		must(t, err)
		states, err := s.Load(t.Context(), []survey.Ref{{ID: out[1].ID}})
		must(t, err)
		want := []survey.Past{{
			SendID: out[0].ID, Survey: asked.Survey, Touchpoint: "delivery", Channel: survey.SMS, InvitedAt: t0, AnsweredAt: t0.Add(time.Hour),
		}}
		diff(t, "past", want, factsOf(t, s, states[0]).Past)
		_, err = s.EraseContact(t.Context(), survey.Live, states[0].Send.ContactID, "usr_1", t0.Add(2*time.Hour))
		must(t, err)
		diff(t, "past of an erased person", []survey.Past(nil), factsOf(t, s, states[0]).Past)
	})
}

// Without a policy that looks at it nobody reads what a person was asked before; it stands under the address all the same, for one that
// comes later.
func TestNoFatigue(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			without := cfg
			without.NoFatigue = true
			s := storetest.OpenConfig(t, without)
			asked := accept(t, s, newSend(1))[0]
			m := newSend(1)
			ends(t, s, asked.ID, survey.Attempt{Kind: survey.Invitation, Channel: survey.SMS, Sender: "sms", Address: m.Recipient.Phone}, survey.AttemptSent)
			if past := pastOf(t, s, m); len(past) != 0 {
				t.Errorf("read %+v", past)
			}
			histories(t, s, asked.ID, 0)
			later := storetest.OpenConfig(t, cfg)
			if past := pastOf(t, later, m); len(past) != 1 || past[0].SendID != asked.ID {
				t.Errorf("a policy that came later finds %+v", past)
			}
		})
	}
}

// histories checks how many rows tell what was asked under the contact of a send, and that one does under its phone.
func histories(t *testing.T, s *store.Store, id string, want int) {
	t.Helper()
	m, _, err := s.Send(t.Context(), id)
	must(t, err)
	if n, err := s.HistoriesOf(t.Context(), m.ContactID); err != nil || n != want {
		t.Errorf("%d histories under the contact, %v; want %d", n, err, want)
	}
	if n, err := s.HistoriesOf(t.Context(), m.Recipient.Phone); err != nil || n != 1 {
		t.Errorf("%d histories under the address, %v; want 1", n, err)
	}
}

// Whoever is known by one address only has the history there, and nobody needs it twice.
func TestHistoryUnderContact(t *testing.T) {
	t.Parallel()
	phone := newSend(1).Recipient.Phone
	tests := []struct {
		name string
		who  survey.Recipient
		want int
	}{
		{"one address", survey.Recipient{Phone: phone}, 0},
		{"and an id", survey.Recipient{Phone: phone, ExternalID: "c-1"}, 1},
		{"two addresses", survey.Recipient{Phone: phone, Email: "ana@example.hr"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				m := newSend(1)
				m.Recipient = tt.who
				asked := accept(t, s, m)[0]
				ends(t, s, asked.ID, survey.Attempt{Kind: survey.Invitation, Channel: survey.SMS, Sender: "sms", Address: phone}, survey.AttemptSent)
				histories(t, s, asked.ID, tt.want)
				again := newSend(2)
				again.Recipient = tt.who
				if past := pastOf(t, s, again); len(past) != 1 || past[0].SendID != asked.ID {
					t.Errorf("the next send sees %+v", past)
				}
			})
		})
	}
}
