package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// to is a send to a recipient, at a minute of its own.
func to(n int, r survey.Recipient) survey.Send {
	m := newSend(n)
	m.Recipient, m.Consent = r, nil
	m.CreatedAt = t0.Add(time.Duration(n) * time.Minute)
	return m
}

func named(t *testing.T, s *store.Store, kind, value string) []survey.Contact {
	t.Helper()
	items, _, err := s.Contacts(t.Context(), survey.ContactFilter{Mode: survey.Live, Identity: survey.Identity{Kind: kind, Value: value}})
	must(t, err)
	return items
}

const (
	anaPhone = "+385911234567"
	anaMail  = "ana@example.hr"
)

// One person by phone alone and by external id with that phone is one person, whose older id survives.
func TestContactsMerge(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		first := accept(t, s, to(1, survey.Recipient{Phone: anaPhone}))[0].Send
		second := accept(t, s, to(2, survey.Recipient{Email: "Ana@example.hr"}))[0].Send
		if n := len(named(t, s, survey.ByPhone, anaPhone)); n != 1 {
			t.Fatalf("%d people have the phone", n)
		}
		third := accept(t, s, to(3, survey.Recipient{ExternalID: "c-1", Name: "Ana Kovač", Email: anaMail, Phone: anaPhone}))[0].Send
		p, err := s.Person(ctx, survey.Live, third.ContactID, 0)
		must(t, err)
		if p.ID != first.ContactID || p.Name != "Ana Kovač" || len(p.Sends) != 3 || p.Sends[0].Send.ID != third.ID {
			t.Errorf("person %+v", p)
		}
		want := []string{second.ContactID, third.ContactID}
		diff(t, "merged", want, p.Merged)
		diff(t, "identities", []survey.Identity{
			{Kind: survey.ByExternalID, Value: "c-1"}, {Kind: survey.ByPhone, Value: anaPhone}, {Kind: survey.ByEmail, Value: anaMail},
		}, p.Identities, cmpopts.SortSlices(func(a, b survey.Identity) bool { return a.Value < b.Value }))
		for kind, value := range map[string]string{
			survey.ByExternalID: "c-1", survey.ByEmail: "ANA@example.hr", survey.ByPhone: anaPhone,
		} {
			if got := named(t, s, kind, value); len(got) != 1 || got[0].ID != first.ContactID {
				t.Errorf("by %s: %+v", kind, got)
			}
		}
		// History is not rewritten.
		again, _, err := s.Send(ctx, third.ID)
		must(t, err)
		if again.ContactID != third.ContactID {
			t.Errorf("send %s moved to contact %s", third.ID, again.ContactID)
		}
		if len(p.Events) != 4 || p.Events[0].Type != survey.ContactMerged {
			t.Errorf("events %+v", p.Events)
		}
		if _, err := s.Person(ctx, survey.Test, third.ContactID, 0); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("seen in the other mode: %v", err)
		}
	})
}

// Two external ids are two people who share a phone; who is named by the phone alone is neither.
func TestContactsShareAPhone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		a := accept(t, s, to(1, survey.Recipient{ExternalID: "c-1", Phone: anaPhone, Email: anaMail}))[0].Send
		b := accept(t, s, to(2, survey.Recipient{ExternalID: "c-2", Phone: anaPhone}))[0].Send
		n := accept(t, s, to(3, survey.Recipient{Phone: anaPhone}))[0].Send
		got := named(t, s, survey.ByPhone, anaPhone)
		ids := make([]string, len(got))
		for i, c := range got {
			ids[i] = c.ID
		}
		diff(t, "people of the phone", []string{n.ContactID, b.ContactID, a.ContactID}, ids)
		wide, err := s.Persons(t.Context(), []survey.State{{Send: n}, {Send: a}})
		must(t, err)
		diff(t, "addresses", map[string][]string{n.ID: {anaPhone}, a.ID: {anaMail, anaPhone}}, wide)
	})
}

// A person is known by another id before the contact of it is written; of a phone of two people nobody can tell whose it is.
func TestWidenAheadOfTheWriter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		accept(t, s, to(1, survey.Recipient{ExternalID: "c-1", Phone: anaPhone, Email: anaMail}))
		named(t, s, survey.ByExternalID, "c-1") // is written
		for name, tt := range map[string]struct {
			who  survey.Recipient
			want []string
		}{
			"by mail and another phone": {survey.Recipient{Email: anaMail, Phone: "+385912222222"}, []string{anaMail, "+385912222222", anaPhone}},
			"another customer":          {survey.Recipient{ExternalID: "c-2", Phone: anaPhone}, []string{anaPhone}},
			"nobody known":              {survey.Recipient{Phone: "+385913333333"}, []string{"+385913333333"}},
		} {
			m := survey.Send{ID: "snd_1", Mode: survey.Live, Recipient: tt.who, ContactID: survey.ContactID(survey.Live, tt.who), CreatedAt: t0}
			wide, err := s.Persons(t.Context(), []survey.State{{Send: m}})
			must(t, err)
			diff(t, name, tt.want, wide["snd_1"])
		}
	})
}

// In one batch as in many, and whatever the writer's order of ids, people come out the same.
func TestContactsMergeInOneBatch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		out := accept(t, s,
			to(1, survey.Recipient{Phone: anaPhone}),
			to(2, survey.Recipient{ExternalID: "c-1", Phone: anaPhone}),
			to(3, survey.Recipient{ExternalID: "c-2", Phone: anaPhone}),
			to(4, survey.Recipient{ExternalID: "c-1", Phone: "+385919999999"}),
		)
		got := named(t, s, survey.ByExternalID, "c-1")
		if len(got) != 1 || got[0].ID != out[0].Send.ContactID || len(got[0].Addresses()) != 2 {
			t.Errorf("c-1 is %+v", got)
		}
		if other := named(t, s, survey.ByExternalID, "c-2"); len(other) != 1 || other[0].ID != out[2].Send.ContactID {
			t.Errorf("c-2 is %+v", other)
		}
	})
}

func TestMergeContacts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		out := accept(t, s,
			to(1, survey.Recipient{ExternalID: "c-1", Email: anaMail}), to(2, survey.Recipient{ExternalID: "c-2", Phone: anaPhone}),
			to(3, survey.Recipient{ExternalID: "c-3", Phone: "+385912222222"}))
		id := func(i int) string { return out[i].Send.ContactID }
		must(t, s.MergeContacts(ctx, survey.Live, id(0), id(1), "usr_1", t0))
		must(t, s.MergeContacts(ctx, survey.Live, id(1), id(2), "usr_1", t0)) // a chain
		must(t, s.MergeContacts(ctx, survey.Live, id(2), id(0), "usr_1", t0)) // is one person already
		p, err := s.Person(ctx, survey.Live, id(0), 0)
		must(t, err)
		if p.ID != id(2) || len(p.Merged) != 2 || len(p.Sends) != 3 || len(p.Addresses()) != 3 {
			t.Errorf("person %+v", p)
		}
		wide, err := s.Persons(ctx, []survey.State{{Send: out[1].Send}})
		must(t, err)
		diff(t, "addresses", map[string][]string{out[1].ID: {anaPhone, "+385912222222", anaMail}}, wide,
			cmpopts.SortSlices(func(a, b string) bool { return a < b }))
		none := survey.ContactID(survey.Live, survey.Recipient{Phone: "+1"})
		for _, err := range []error{
			s.MergeContacts(ctx, survey.Live, none, id(0), "usr_1", t0), s.MergeContacts(ctx, survey.Live, id(0), none, "usr_1", t0),
			s.MergeContacts(ctx, survey.Test, id(0), id(1), "usr_1", t0),
		} {
			if !errors.Is(err, survey.ErrNotFound) {
				t.Errorf("merge with nobody: %v", err)
			}
		}
	})
}

// Whatever sends come in whatever portions, a person never has two external ids, an external id is never two people, and
// everybody who is found by an id knows it.
func TestContactsProperty(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		pick := func(kind string, form string) string {
			if n := rapid.IntRange(0, 4).Draw(rt, kind); n > 0 {
				return fmt.Sprintf(form, round, n)
			}
			return ""
		}
		var sends []survey.Send
		for i := range rapid.IntRange(1, 12).Draw(rt, "sends") {
			r := survey.Recipient{ExternalID: pick("external", "x-%d-%d"), Email: pick("email", "p%d.%d@example.hr"), Phone: pick("phone", "+3859%06d%d")}
			if r.Email == "" && r.Phone == "" {
				continue
			}
			m := to(i, r)
			m.Transaction.ID = ""
			sends = append(sends, m)
		}
		for part := range slices.Chunk(sends, rapid.IntRange(1, 6).Draw(rt, "portion")) {
			if _, err := s.Accept(t.Context(), part, nil); err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "flush") {
				if _, _, err := s.Contacts(t.Context(), survey.ContactFilter{Limit: 1}); err != nil {
					rt.Fatal(err)
				}
			}
		}
		for _, m := range sends {
			for _, x := range m.Recipient.Identities() {
				found, _, err := s.Contacts(t.Context(), survey.ContactFilter{Mode: survey.Live, Identity: x})
				if err != nil || len(found) == 0 || x.Kind == survey.ByExternalID && len(found) != 1 {
					rt.Fatalf("%d people by %v: %v", len(found), x, err)
				}
				for _, c := range found {
					external := 0
					for _, y := range c.Identities {
						if y.Kind == survey.ByExternalID {
							external++
						}
					}
					if !slices.Contains(c.Identities, x) || external > 1 {
						rt.Fatalf("found by %v: %+v", x, c)
					}
				}
			}
		}
	})
}

func TestConsents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		given := func(n int, basis string) survey.Send {
			m := to(n, survey.Recipient{ExternalID: "c-1", Phone: anaPhone, Email: anaMail})
			m.Consent = &survey.Consent{Basis: basis, Source: "checkout", At: t0}
			return m
		}
		out := accept(t, s, given(1, "existing_customer"), given(2, "existing_customer"))
		id := out[0].Send.ContactID
		must(t, s.RecordConsent(ctx, survey.Live, id, survey.ConsentRecord{Basis: "opt_in", Source: "shop", Actor: "key_1", RecordedAt: t0.Add(time.Hour)}))
		p, err := s.Person(ctx, survey.Live, id, 0)
		must(t, err)
		diff(t, "consents", []survey.ConsentRecord{
			{Basis: "opt_in", Source: "shop", Actor: "key_1", At: t0.Add(time.Hour), RecordedAt: t0.Add(time.Hour)},
			{Basis: "existing_customer", Source: "checkout", Actor: "key_1", At: t0, SendID: out[0].ID, RecordedAt: out[0].Send.CreatedAt},
		}, p.Consents)
		if len(p.Suppressions) != 0 {
			t.Errorf("suppressed by a consent: %+v", p.Suppressions)
		}
		must(t, s.RecordConsent(ctx, survey.Live, id, survey.ConsentRecord{Basis: survey.BasisWithdrawn, Actor: "key_1", RecordedAt: t0.Add(2 * time.Hour)}))
		loaded, err := s.Load(ctx, []survey.Ref{{ID: out[1].ID}})
		must(t, err)
		if got := loaded[0].Suppressions; len(got) != 2 || got[0].Scope != survey.ScopeAll || got[0].Reason != survey.BasisWithdrawn {
			t.Errorf("after withdrawal: %+v", got)
		}
		if err := s.RecordConsent(ctx, survey.Test, id, survey.ConsentRecord{Basis: "x"}); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("of nobody: %v", err)
		}
		other := to(9, survey.Recipient{Phone: "+385913333333"})
		other.Consent = &survey.Consent{Basis: survey.BasisObjected}
		late := accept(t, s, other)[0]
		_, err = s.Person(ctx, survey.Live, late.Send.ContactID, 0) // is written
		must(t, err)
		if all, err := s.SuppressionsOfPerson(ctx, survey.Live, []string{late.Send.ContactID, id}); err != nil || len(all[late.Send.ContactID]) != 1 || len(all[id]) != 2 {
			t.Errorf("of people: %+v, %v", all, err)
		}
	})
}

// A consent that is taken back with a send stops what waits for the same person at once: it does not wait for contacts to be written.
func TestConsentTakenBackWithASend(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		waits := accept(t, s, to(1, survey.Recipient{Phone: anaPhone}))[0]
		m := to(2, survey.Recipient{ExternalID: "c-1", Phone: anaPhone, Email: anaMail})
		m.Consent = &survey.Consent{Basis: survey.BasisWithdrawn, Source: "checkout", At: t0}
		last := accept(t, s, m)[0]
		stop := func(ch survey.Channel, address string) survey.Suppression {
			return survey.Suppression{
				Mode: survey.Live, Channel: ch, Address: address, Scope: survey.ScopeAll, Reason: survey.BasisWithdrawn, Source: m.Actor, SendID: last.ID, At: last.Send.CreatedAt,
			}
		}
		states, err := s.Load(ctx, []survey.Ref{{ID: waits.ID}, {ID: last.ID}})
		must(t, err)
		diff(t, "what waits", []survey.Suppression{stop(survey.SMS, anaPhone)}, states[0].Suppressions)
		diff(t, "what came with it", []survey.Suppression{stop(survey.Email, anaMail), stop(survey.SMS, anaPhone)}, states[1].Suppressions)
		m.Recipient.Email = "other@example.hr"
		if again := accept(t, s, m)[0]; !again.Duplicate {
			t.Errorf("accepted again: %+v", again)
		}
		if got, err := s.SuppressionsUnder(ctx, survey.Live, []string{"other@example.hr"}); err != nil || len(got) != 0 {
			t.Errorf("by a duplicate: %+v, %v", got, err)
		}
	})
}

// A suppression of one address is found from another of the same person.
func TestSuppressionsOfPerson(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		accept(t, s, to(1, survey.Recipient{ExternalID: "c-1", Phone: anaPhone, Email: anaMail}))
		only := accept(t, s, to(2, survey.Recipient{ExternalID: "c-1", Email: anaMail}))[0].Send
		must(t, s.SuppressAll(ctx, []survey.Suppression{
			{Mode: survey.Live, Channel: survey.SMS, Address: anaPhone, Scope: survey.ScopeAll, Reason: "manual", Source: "key_1", At: t0},
			{Mode: survey.Live, Channel: survey.SMS, Address: anaPhone, Scope: survey.ScopeAll, Reason: "manual", Source: "key_1", At: t0},
			{Mode: survey.Test, Channel: survey.SMS, Address: anaPhone, Scope: survey.ScopeAll, Reason: "manual", Source: "key_1", At: t0},
		}))
		p, err := s.Person(ctx, survey.Live, only.ContactID, 0)
		must(t, err)
		all, err := s.SuppressionsOfPerson(ctx, survey.Live, []string{only.ContactID})
		must(t, err)
		if got := all[only.ContactID]; len(got) != 1 || got[0].Address != anaPhone {
			t.Errorf("suppressions of the person: %+v", got)
		}
		facts, err := s.Facts(ctx, []survey.State{{Send: only}}, nil)
		must(t, err)
		if got := facts[only.ID].Elsewhere; len(got) != 1 || got[0].Address != anaPhone {
			t.Errorf("a decision looks at %+v", got)
		}
		if len(p.Suppressions) != 1 {
			t.Errorf("suppressions shown: %+v", p.Suppressions)
		}
		must(t, s.Lift(ctx, lift(p.Suppressions[0])))
		if err := s.Lift(ctx, lift(p.Suppressions[0])); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("lifted twice: %v", err)
		}
	})
}

func TestContactPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var want, got []string
		for i := range 5 {
			want = append(want, accept(t, s, to(i, survey.Recipient{Phone: fmt.Sprintf("+38591000000%d", i)}))[0].Send.ContactID)
		}
		slices.Reverse(want)
		f := survey.ContactFilter{Mode: survey.Live, Limit: 2}
		for {
			items, next, err := s.Contacts(t.Context(), f)
			must(t, err)
			for _, c := range items {
				got = append(got, c.ID)
			}
			if f.Cursor = next; next == "" {
				break
			}
		}
		diff(t, "newest first", want, got)
		var invalid survey.InvalidError
		for _, cursor := range []string{"x", "1.con_x", "1", "'." + want[0]} {
			if _, _, err := s.Contacts(t.Context(), survey.ContactFilter{Cursor: cursor}); !errors.As(err, &invalid) {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
	})
}

// converse leaves traces of a person everywhere: an attempt, a thread, answers, raw requests, messages.
func converse(t *testing.T, s *store.Store, m survey.Send) survey.Send {
	t.Helper()
	ctx := t.Context()
	send := accept(t, s, m)[0].Send
	score := 9
	_, err := s.Apply(ctx, send.ID, func(st *survey.State) error {
		st.Attempts = append(st.Attempts, survey.Attempt{
			Kind: survey.Invitation, Channel: survey.SMS, Sender: "sms", Address: m.Recipient.Phone, Status: survey.AttemptDelivered, ProviderID: "SM1", At: t0,
		})
		st.Send.Thread = survey.Thread{Channel: survey.SMS, Sender: "sms", Address: m.Recipient.Phone, Asking: survey.QuestionComment}
		st.Send.Status = survey.Answered
		st.Response = &survey.Response{Mode: survey.Live, Survey: m.Survey, Metric: survey.NPS, Score: 9, Segment: survey.Promoter, Answers: []survey.Answer{
			{Question: survey.QuestionScore, Value: &score, Text: "devet, hvala", Channel: survey.SMS, Evidence: survey.EvidenceReply, At: t0},
			{Question: survey.QuestionComment, Text: "Tajna riječ", Channel: survey.SMS, Evidence: survey.EvidenceReply, At: t0},
		}}
		st.Record(t0, "reply.received", "inbound", "inb_said")
		return nil
	})
	must(t, err)
	keep := func(id, body string) {
		_, err := s.PutInbound(ctx, survey.Inbound{ID: id, Sender: "sms", Mode: survey.Live, Key: id, URL: "https://x", Body: []byte(body), At: t0})
		must(t, err)
	}
	keep("inb_said", "Body=Tajna+rije%C4%8D")
	keep("inb_status", "MessageStatus=delivered&To=%2B385911234567")
	keep("inb_other", "MessageStatus=delivered&To=%2B385917654321")
	must(t, s.DoneInbound(ctx, []string{"inb_said", "inb_status", "inb_other"}, "ok"))
	must(t, s.PutSandboxMessage(ctx, sandbox.Message{To: m.Recipient.Phone, SendID: send.ID, Text: "Ana, kako je bilo?"}))
	return send
}

// Every table is looked through after an erasure: what names the person is gone, what counts stays.
func TestEraseContact(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			s := storetest.OpenConfig(t, cfg)
			ctx := t.Context()
			m := to(1, survey.Recipient{ExternalID: "kupac-1881", Name: "Ana Kovač", Email: anaMail, Phone: anaPhone, ViberID: "vib-ana==", Locale: "hr"})
			m.Transaction.Attributes["customer"] = "Gđa. Ana Kovač"
			m.Metadata = []byte(`{"nick":"Ana Kovač"}`)
			m.Consent = &survey.Consent{Basis: "kaže Zrinka", Source: "Pozvala Zrinka", At: t0}
			said := converse(t, s, m)
			waits := m
			waits.Transaction.ID = "order-2"
			pending := accept(t, s, waits)[0].Send
			others := accept(t, s, to(5, survey.Recipient{ExternalID: "c-5", Name: "Ivo Ivić", Phone: "+385917654321"}))[0].Send
			for _, basis := range []string{"opt_in", "Rekla Zrinka", "za anu_kovač"} {
				must(t, s.RecordConsent(ctx, survey.Live, said.ContactID, survey.ConsentRecord{Basis: basis, Source: "Zrinkin otac", Channel: survey.Email, At: t0, RecordedAt: t0}))
			}
			stop := survey.Suppression{Mode: survey.Live, Channel: survey.Email, Address: anaMail, Scope: survey.ScopeChannel, Reason: "Zrinka se razvodi", Source: "key_1", At: t0}
			must(t, s.Suppress(ctx, stop))
			must(t, s.Lift(ctx, survey.Lift{Mode: survey.Live, Channel: survey.Email, Address: anaMail, Actor: "usr_1", Why: "Zrinka se predomislila", At: t0}))
			must(t, s.SuppressAll(ctx, []survey.Suppression{{Mode: survey.Live, Channel: survey.SMS, Address: anaPhone, Reason: "Zrinka moli", Source: "sms", At: t0}}))
			_, err := s.PutInbound(ctx, survey.Inbound{
				ID: "inb_raw", Sender: "bot", Mode: survey.Live, Key: "delivered:5:vib-ana==", URL: "https://x/?of=ana%40example.hr", Header: map[string][]string{"X": {"Zrinka"}}, At: t0,
			})
			must(t, err)
			must(t, s.DoneInbound(ctx, []string{"inb_raw"}, "ignored"))

			done, err := s.EraseContact(ctx, survey.Live, said.ContactID, "usr_1", t0.Add(time.Hour))
			must(t, err)
			diff(t, "erasure", survey.Erasure{ContactID: said.ContactID, Sends: 2, Cancelled: 1, Answers: 2, Inbound: 3, Messages: 1, Suppressions: 1}, done)
			if left := scan(t, cfg, name, "kupac-1881", "Ana", "Kovač", anaMail, "385911234567", "vib-ana", "Tajna", "devet, hvala", "Zrink", "anu_"); len(left) > 0 {
				t.Errorf("still there: %s", strings.Join(left, "\n"))
			}
			if found := scan(t, cfg, name, "Ivo Ivić", "385917654321"); len(found) < 5 {
				t.Errorf("of somebody else only this is left: %v", found)
			}
			after, _, err := s.Send(ctx, pending.ID)
			must(t, err)
			if after.Status != survey.Cancelled || after.Reason != survey.ReasonErased || after.Lane != "" || after.Transaction.Attributes["store"] == "" || after.ContactID != said.ContactID {
				t.Errorf("pending send is %+v", after)
			}
			p, err := s.Person(ctx, survey.Live, said.ContactID, 0)
			must(t, err)
			if len(p.Sends) != 2 || p.Sends[1].Response == nil || p.Sends[1].Response.Score != 9 || p.ErasedAt.IsZero() || len(p.Identities) != 0 || p.Events[0].Type != survey.ContactErased ||
				len(p.Consents) != 3 || !slices.ContainsFunc(p.Consents, func(r survey.ConsentRecord) bool { return r.Basis == "opt_in" && r.Source == "" }) {
				t.Errorf("what is left: %+v", p)
			}
			again := accept(t, s, to(7, survey.Recipient{Phone: anaPhone}))[0]
			st, err := s.Load(ctx, []survey.Ref{{ID: again.ID}})
			must(t, err)
			if got := st[0].Suppressions; len(got) != 1 || got[0].Address != anaPhone || got[0].Scope != survey.ScopeAll {
				t.Errorf("a later send meets %+v", got)
			}
			if _, _, err := s.Send(ctx, others.ID); err != nil {
				t.Error(err)
			}
			if _, err := s.EraseContact(ctx, survey.Test, said.ContactID, "usr_1", t0); !errors.Is(err, survey.ErrNotFound) {
				t.Errorf("in the other mode: %v", err)
			}
		})
	}
}

// What a decision saw is in the ledger: of suppressions and consents in somebody's own words nothing is left there either, in what was decided before
// such words were kept out of it neither.
func TestEraseContactDecisions(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			s := storetest.OpenConfig(t, cfg)
			ctx := t.Context()
			m := to(1, survey.Recipient{Phone: anaPhone, Name: "Ana Kovač"})
			m.Consent = &survey.Consent{Basis: "rekla Zrinka", At: t0}
			id := accept(t, s, m)[0].ID
			stop := survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: anaPhone, Reason: "Zrinka, nazvala s 091", Source: "usr_1", At: t0}
			must(t, s.Suppress(ctx, stop))
			st := load(t, s, id)
			old := survey.Decision{Version: 2, Verdict: survey.Hold, Rules: []survey.Rule{
				{Name: "consent", Saw: map[string]any{"basis": "rekla Zrinka", "max_age": "1h0m0s"}},
				{Name: "suppression", Fired: true, Saw: map[string]any{"scope": "all", "reason": "Zrinka, nazvala s 091"}},
			}}
			_, err := s.ApplyFrom(ctx, st, func(x *survey.State) error {
				d := survey.Decide(x, survey.Facts{}, survey.Policy{}, t0)
				x.Record(t0, "send.held", "decision", d)
				x.Record(t0, "send.held", "until", t0, "decision", old)
				return nil
			})
			must(t, err)
			_, err = s.EraseContact(ctx, survey.Live, st.Send.ContactID, "usr_1", t0)
			must(t, err)
			if left := scan(t, cfg, name, "Zrinka", "nazvala"); len(left) > 0 {
				t.Errorf("still there: %v", left)
			}
			events, _, err := s.Events(ctx, id, "", 0)
			must(t, err)
			held := events[slices.IndexFunc(events, func(e survey.Event) bool { return e.Data["until"] != nil })]
			diff(t, "what is left of a decision", map[string]any{"until": t0.Format(time.RFC3339Nano), "decision": map[string]any{
				"version": 2.0, "verdict": "hold", "rules": []any{
					map[string]any{"rule": "consent", "fired": false, "saw": map[string]any{"basis": "", "max_age": "1h0m0s"}},
					map[string]any{"rule": "suppression", "fired": true, "saw": map[string]any{"scope": "all", "reason": "manual"}},
				},
			}}, held.Data)
		})
	}
}

// scan gives the places in the whole database that hold one of the words.
func scan(t *testing.T, cfg store.Config, name string, words ...string) []string {
	t.Helper()
	ctx := t.Context()
	driver, source, tables := "sqlite", "file:"+cfg.Dir+"/odziv.db", `SELECT name FROM sqlite_master WHERE type = 'table'`
	if name == storetest.Postgres {
		driver, source, tables = "pgx", cfg.URL, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`
	}
	db, err := sql.Open(driver, source)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	var names, found []string
	each := func(query string, fn func(*sql.Rows)) {
		rows, err := db.QueryContext(ctx, query)
		must(t, err)
		defer func() { must(t, rows.Close()) }()
		for rows.Next() {
			fn(rows)
		}
		must(t, rows.Err())
	}
	each(tables, func(rows *sql.Rows) {
		var n string
		must(t, rows.Scan(&n))
		names = append(names, n)
	})
	if len(names) < 15 {
		t.Fatalf("only the tables %v", names)
	}
	for _, n := range names {
		each(`SELECT * FROM "`+n+`"`, func(rows *sql.Rows) {
			columns, err := rows.Columns()
			must(t, err)
			values, into := make([][]byte, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			must(t, rows.Scan(into...))
			for i, v := range values {
				for _, w := range words {
					if strings.Contains(string(v), w) {
						found = append(found, n+"."+columns[i]+": "+w)
					}
				}
			}
		})
	}
	return found
}

func TestExportContact(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		m := to(1, survey.Recipient{ExternalID: "c-1", Name: "Ana Kovač", Email: anaMail, Phone: anaPhone})
		m.Consent = &survey.Consent{Basis: "opt_in", At: t0}
		said := converse(t, s, m)
		d, err := s.ExportContact(ctx, survey.Live, said.ContactID)
		must(t, err)
		if len(d.Files) != 1 || len(d.Files[0].Attempts) != 1 || len(d.Files[0].Events) != 2 || d.Files[0].Response == nil || len(d.Consents) != 1 || len(d.Sandbox) != 1 || d.Made.IsZero() {
			t.Errorf("dossier %+v", d)
		}
		var ids []string
		for _, in := range d.Inbound {
			ids = append(ids, in.ID)
		}
		diff(t, "raw requests", []string{"inb_said", "inb_status"}, ids)
	})
}

// What a crash kept from being written, consents and ids too, is there after the next start.
func TestContactsHeal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.OpenConfig(t, store.Config{Dir: dir})
	m := to(1, survey.Recipient{ExternalID: "c-1", Email: anaMail, Phone: anaPhone})
	m.Consent = &survey.Consent{Basis: "opt_in", At: t0}
	first := accept(t, s, m)[0].Send
	_, err := s.Person(t.Context(), survey.Live, first.ContactID, 0) // is written
	must(t, err)
	second := m
	second.Transaction.ID, second.Recipient.Phone = "order-2", "+385912222222"
	accept(t, s, second)
	again := storetest.OpenConfig(t, store.Config{Dir: crash(t, dir)})
	p, err := again.Person(t.Context(), survey.Live, first.ContactID, 0)
	must(t, err)
	if len(p.Sends) != 2 || len(p.Addresses()) != 3 || len(p.Consents) != 1 {
		t.Errorf("after the crash: %s", cmp.Diff(survey.Person{}, p))
	}
}

// Whoever is told that a commit is in doubt asks again: the contacts of the sends that were accepted by it are not lost.
func TestContactsOfALostCommit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		m := to(1, survey.Recipient{Phone: anaPhone, Name: "Ana"})
		must(t, s.LoseCommit(ctx))
		if _, err := s.Accept(ctx, []survey.Send{m}, nil); !errors.Is(err, survey.ErrInDoubt) {
			t.Fatalf("told %v", err)
		}
		again := accept(t, s, m)[0]
		p, err := s.Person(ctx, survey.Live, again.Send.ContactID, 0)
		if err != nil || !again.Duplicate || len(p.Sends) != 1 || p.Sends[0].Send.ID != again.ID {
			t.Errorf("duplicate %t; person %+v, %v", again.Duplicate, p, err)
		}
		if owes, err := s.OwesContacts(ctx); owes || err != nil {
			t.Errorf("a debt stays: %t %v", owes, err)
		}
	})
}

// What one of several gateways had kept back when it crashed is not lost, however much the others went on: an erasure finds it, and so does the next
// start.
func TestContactsOfACrashedGateway(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			other := storetest.OpenConfig(t, cfg)
			ctx := t.Context()
			ana := survey.Recipient{ExternalID: "c-ana", Phone: anaPhone}
			known := accept(t, other, to(1, ana))[0].Send
			_, err := other.Person(ctx, survey.Live, known.ContactID, 0) // is written
			must(t, err)
			crashed, err := store.Open(ctx, cfg)
			must(t, err)
			must(t, crashed.NeverContacts(ctx))
			lost := accept(t, crashed, to(2, survey.Recipient{Phone: "+385912222222"}))[0].Send
			second := accept(t, crashed, to(3, ana))[0]
			must(t, crashed.Close())
			for part := range 4 {
				sends := make([]survey.Send, 200)
				for i := range sends {
					n := 10 + 200*part + i
					sends[i] = to(n, survey.Recipient{Phone: fmt.Sprintf("+38598%07d", n)})
				}
				accept(t, other, sends...)
				named(t, other, survey.ByPhone, anaPhone) // is written
			}
			if done, err := other.EraseContact(ctx, survey.Live, known.ContactID, "usr_1", t0); err != nil || done.Sends != 2 {
				t.Errorf("erased %+v, %v; want 2 sends", done, err)
			}
			if m := load(t, other, second.ID).Send; m.Recipient.Phone != "" {
				t.Errorf("left %+v", m.Recipient)
			}
			again := storetest.OpenConfig(t, cfg)
			if p, err := again.Person(ctx, survey.Live, lost.ContactID, 0); err != nil || len(p.Sends) != 1 {
				t.Errorf("after the next start: %+v, %v", p, err)
			}
			if owes, err := again.OwesContacts(ctx); owes || err != nil {
				t.Errorf("what was read back is still owed: %t %v", owes, err)
			}
			nobody := survey.ContactID(survey.Live, survey.Recipient{Phone: "+1"})
			if _, err := other.Person(ctx, survey.Live, nobody, 0); !errors.Is(err, survey.ErrNotFound) {
				t.Errorf("of nobody: %v", err)
			}
		})
	}
}

// More contacts than a writer keeps are read back from the sends: none is missing, and no mark of a debt stays.
func TestContactsBacklog(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		const n = 3000
		for part := range 3 {
			sends := make([]survey.Send, n/3)
			for i := range sends {
				k := part*n/3 + i
				sends[i] = to(k, survey.Recipient{ExternalID: fmt.Sprintf("c-%d", k%1500), Phone: fmt.Sprintf("+38591%07d", k)})
			}
			accept(t, s, sends...)
		}
		for range 10 { // each call writes a part
			_, _, err := s.Contacts(ctx, survey.ContactFilter{Limit: 1})
			must(t, err)
		}
		for k := 0; k < 1500; k++ {
			got := named(t, s, survey.ByExternalID, fmt.Sprintf("c-%d", k))
			if len(got) != 1 || len(got[0].Addresses()) != 2 {
				t.Fatalf("c-%d is %+v", k, got)
			}
			if k > 20 && k < 1480 { // the ends of portions are looked at one by one
				k += 99
			}
		}
		if owes, err := s.OwesContacts(ctx); owes || err != nil {
			t.Errorf("a debt stays: %t %v", owes, err)
		}
	})
}

// The mark of a writer that is gone ends once what it owed was read back; one that somebody moves stays.
func TestDebtOfACrashIsForgiven(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.OpenConfig(t, store.Config{Dir: dir})
	behind := func(s *store.Store) {
		sends := make([]survey.Send, 3000)
		for i := range sends {
			sends[i] = to(i, survey.Recipient{ExternalID: fmt.Sprintf("c-%d", i), Phone: fmt.Sprintf("+38591%07d", i)})
			sends[i].Transaction.ID = ""
		}
		accept(t, s, sends...)
	}
	behind(s)
	again := storetest.OpenConfig(t, store.Config{Dir: crash(t, dir)})
	left, err := again.Debts(t.Context())
	must(t, err)
	if len(left) != 1 {
		t.Fatalf("after the crash: %+v", left)
	}
	behind(again)
	before, err := again.Debts(t.Context())
	must(t, err)
	_, _, err = again.Contacts(t.Context(), survey.ContactFilter{Limit: 1}) // writes a part, and moves the mark
	must(t, err)
	must(t, again.Forgive(t.Context(), before))
	after, err := again.Debts(t.Context())
	must(t, err)
	if len(before) != 2 || len(after) != 1 || slices.Contains(after, left[0]) {
		t.Errorf("of %+v there are left %+v", before, after)
	}
}

// A contact whose list of sends is full still gets what a backlog brings of it: a new address, and a consent. What was lifted meanwhile stays lifted.
func TestContactsBacklogOfAFullContact(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			s := storetest.OpenConfig(t, cfg)
			ctx := t.Context()
			n := 0
			several := func(most int, mail string) (sends []survey.Send) {
				for range most {
					n++
					sends = append(sends, to(n, survey.Recipient{ExternalID: "firma", Email: mail}))
				}
				return sends
			}
			for range 5 {
				accept(t, s, several(200, "info@firma.hr")...)
				named(t, s, survey.ByExternalID, "firma") // is written
			}
			last := several(1, "nova@firma.hr")[0]
			last.Consent = &survey.Consent{Basis: survey.BasisWithdrawn, Source: "checkout", At: t0}
			id := accept(t, s, append(several(300, "info@firma.hr"), last)...)[300].Send.ContactID
			if found := named(t, s, survey.ByEmail, "nova@firma.hr"); len(found) != 1 || found[0].ID != id {
				t.Errorf("by the new address: %+v", found)
			}
			must(t, s.Lift(ctx, survey.Lift{Mode: survey.Live, Channel: survey.Email, Address: "nova@firma.hr", Actor: "usr_1", At: t0}))
			again := storetest.OpenConfig(t, cfg) // reads back the latest sends
			p, err := again.Person(ctx, survey.Live, id, 1)
			must(t, err)
			if len(p.Consents) != 1 || p.Consents[0].Basis != survey.BasisWithdrawn || len(p.Suppressions) != 0 || len(p.Addresses()) != 2 {
				t.Errorf("person %+v", p)
			}
		})
	}
}

// Whoever asks for a person right after many sends finds them, however far the writer is behind with contacts.
func TestContactsAreFoundWhileOwed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		behind := func(part int) survey.Send {
			sends := make([]survey.Send, 3000)
			for i := range sends {
				k := 3000*part + i
				sends[i] = to(k, survey.Recipient{ExternalID: fmt.Sprintf("c-%d", k), Phone: fmt.Sprintf("+38591%07d", k)})
				sends[i].CreatedAt = time.Time{}
			}
			return accept(t, s, sends...)[2999].Send
		}
		last := behind(0)
		if found := named(t, s, survey.ByPhone, last.Recipient.Phone); len(found) != 1 {
			t.Errorf("by the phone of a send that was accepted there are %d people", len(found))
		}
		last = behind(1)
		must(t, s.RecordConsent(ctx, survey.Live, last.ContactID, survey.ConsentRecord{Basis: "opt_in", RecordedAt: t0}))
		last = behind(2)
		done, err := s.EraseContact(ctx, survey.Live, last.ContactID, "usr_1", t0)
		must(t, err)
		if m := load(t, s, last.ID).Send; done.Sends != 1 || m.Recipient.Phone != "" {
			t.Errorf("erased %+v; left %+v", done, m.Recipient)
		}
		unknown := survey.ContactID(survey.Live, survey.Recipient{Phone: anaPhone})
		if _, err := s.Person(ctx, survey.Live, unknown, 0); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("of nobody: %v", err)
		}
	})
}

// What another gateway still owes may be about anybody: a person who is known loses those sends too when erased, and of one who is not known nobody
// says that there is none.
func TestContactsOwedByAnotherGateway(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	s, other := storetest.OpenConfig(t, store.Config{URL: url}), storetest.OpenConfig(t, store.Config{URL: url})
	ctx := t.Context()
	ana := survey.Recipient{ExternalID: "c-ana", Phone: anaPhone}
	ids := []string{accept(t, s, to(1, ana))[0].ID}
	known, err := s.Person(ctx, survey.Live, survey.ContactID(survey.Live, ana), 0) // is written
	must(t, err)
	sends := make([]survey.Send, 3000)
	for i := range sends {
		sends[i] = to(10+i, survey.Recipient{ExternalID: fmt.Sprintf("c-%d", i), Phone: fmt.Sprintf("+38591%07d", i)})
	}
	sends[2999] = to(2, ana)
	out := accept(t, other, sends...)
	release := other.Hold(ctx)
	ids = append(ids, out[2999].ID)
	unknown := out[2998].Send
	ask := func() map[string]error {
		_, person := s.Person(ctx, survey.Live, unknown.ContactID, 0)
		_, _, contacts := s.Contacts(ctx, survey.ContactFilter{Mode: survey.Live, Identity: survey.Identity{Kind: survey.ByPhone, Value: unknown.Recipient.Phone}})
		_, export := s.ExportContact(ctx, survey.Live, unknown.ContactID)
		_, erase := s.EraseContact(ctx, survey.Live, unknown.ContactID, "usr_1", t0)
		return map[string]error{
			"person": person, "contacts": contacts, "export": export, "erase": erase,
			"consent": s.RecordConsent(ctx, survey.Live, unknown.ContactID, survey.ConsentRecord{Basis: "opt_in", RecordedAt: t0}),
			"merge":   s.MergeContacts(ctx, survey.Live, known.ID, unknown.ContactID, "usr_1", t0),
		}
	}
	for call, err := range ask() {
		if !errors.Is(err, survey.ErrUnavailable) {
			t.Errorf("%s of somebody whose contact is owed: %v", call, err)
		}
	}
	done, err := s.EraseContact(ctx, survey.Live, known.ID, "usr_1", t0)
	must(t, err)
	if done.Sends != 2 {
		t.Errorf("erased %+v; want 2 sends", done)
	}
	for _, id := range ids {
		if m := load(t, s, id).Send; m.Recipient.Phone != "" {
			t.Errorf("%s still has %+v", id, m.Recipient)
		}
	}
	// A mark of before is no reason to doubt for who has read back what it stands for.
	third := storetest.OpenConfig(t, store.Config{URL: url})
	if _, err := third.Person(ctx, survey.Live, unknown.ContactID, 0); err != nil {
		t.Errorf("after another start: %v", err)
	}
	nobody := survey.ContactID(survey.Live, survey.Recipient{Phone: "+1"})
	if _, err := third.Person(ctx, survey.Live, nobody, 0); !errors.Is(err, survey.ErrNotFound) {
		t.Errorf("of nobody after another start: %v", err)
	}
	release()
	named(t, other, survey.ByPhone, unknown.Recipient.Phone) // all are written
	if _, err := s.Person(ctx, survey.Live, nobody, 0); !errors.Is(err, survey.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	for call, err := range ask() {
		if err != nil {
			t.Errorf("%s afterwards: %v", call, err)
		}
	}
}
