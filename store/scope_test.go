package store_test

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// lift asks for one suppression to be removed.
func lift(p survey.Suppression) survey.Lift {
	return survey.Lift{Mode: p.Mode, Channel: p.Channel, Address: p.Address, Scope: p.Scope, Subject: p.Subject}
}

func TestSuppressionScopes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		id := accept(t, s, newSend(1))[0].ID
		phone := newSend(1).Recipient.Phone
		of := func(scope, subject string) survey.Suppression {
			return survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: phone, Scope: scope, Subject: subject, Reason: "manual", At: t0}
		}
		scopes := func(want ...string) {
			t.Helper()
			got := []string{}
			for _, p := range load(t, s, id).Suppressions {
				got = append(got, p.Scope+" "+p.Subject)
			}
			if want == nil {
				want = []string{}
			}
			diff(t, "scopes", want, got)
		}
		for _, p := range []survey.Suppression{
			of(survey.ScopeSurvey, "nps"), of(survey.ScopeSurvey, "ces"), of(survey.ScopeBrand, "shop"), of("", ""), of(survey.ScopeUnreachable, ""),
			of(survey.ScopeChannel, ""), of(survey.ScopeBrand, "shop"),
		} {
			must(t, s.Suppress(ctx, p))
		}
		scopes("all ", "brand shop", "channel ", "survey ces", "survey nps", "unreachable ")
		items, next, err := s.Suppressions(ctx, survey.Live, "", 2)
		must(t, err)
		if len(items) != 6 || next == "" {
			t.Errorf("a page of %d, next %q: an address is not divided", len(items), next)
		}
		must(t, s.Lift(ctx, lift(of(survey.ScopeSurvey, "ces"))))
		if err := s.Lift(ctx, lift(of(survey.ScopeSurvey, "ces"))); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("lift again: %v", err)
		}
		_, err = s.Apply(ctx, id, func(st *survey.State) error {
			st.Lift = append(st.Lift, of(survey.ScopeAll, ""), of(survey.ScopeBrand, "other"))
			return nil
		})
		must(t, err)
		scopes("brand shop", "channel ", "survey nps", "unreachable ")
		must(t, s.Lift(ctx, survey.Lift{Mode: survey.Live, Channel: survey.SMS, Address: phone}))
		scopes("unreachable ")
		if err := s.Lift(ctx, survey.Lift{Mode: survey.Live, Channel: survey.SMS, Address: phone}); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("lift what reaches nobody: %v", err)
		}
		must(t, s.Lift(ctx, lift(of(survey.ScopeUnreachable, ""))))
		scopes()
	})
}

// How long ago an address reached nobody is known from the latest time; a STOP keeps its first.
func TestSuppressionRenewed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, scope := range []string{survey.ScopeUnreachable, survey.ScopeAll} {
			for _, days := range []int{1, 5, 3} {
				must(t, s.Suppress(t.Context(), survey.Suppression{
					Mode: survey.Live, Channel: survey.SMS, Address: "+385911", Scope: scope, At: t0.Add(time.Duration(days) * 24 * time.Hour),
				}))
			}
		}
		all, err := s.SuppressionsOf(t.Context(), survey.Live, []string{"+385911"})
		must(t, err)
		if len(all) != 2 || !all[0].At.Equal(t0.Add(24*time.Hour)) || !all[1].At.Equal(t0.Add(5*24*time.Hour)) {
			t.Errorf("suppressions %+v", all)
		}
	})
}

// What was lifted is known with the contact: who did it, and why. Of an erased person it is lifted too.
func TestLiftIsNoted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		ana := accept(t, s, to(1, survey.Recipient{ExternalID: "c-1", Email: anaMail}))[0].Send
		of := func(scope string) survey.Suppression {
			return survey.Suppression{Mode: survey.Live, Channel: survey.Email, Address: anaMail, Scope: scope, Reason: "manual", Source: "key_1", At: t0}
		}
		must(t, s.SuppressAll(ctx, []survey.Suppression{of(survey.ScopeAll), of(survey.ScopeChannel), of(survey.ScopeUnreachable)}))
		must(t, s.SuppressAll(ctx, []survey.Suppression{of(survey.ScopeAll)})) // changes nothing
		must(t, s.Lift(ctx, survey.Lift{Mode: survey.Live, Channel: survey.Email, Address: anaMail, Actor: "key_2", Why: "asked us", At: t0}))
		p, err := s.Person(ctx, survey.Live, ana.ContactID, 0)
		must(t, err)
		noted := map[string]int{}
		for _, e := range p.Events {
			scope, _ := e.Data["scope"].(string)
			why, _ := e.Data["why"].(string)
			noted[e.Type+" "+scope+" "+e.Actor+" "+why]++
		}
		diff(t, "events", map[string]int{
			"contact.suppressed all key_1 ": 1, "contact.suppressed channel key_1 ": 1, "contact.suppressed unreachable key_1 ": 1,
			"contact.suppression_lifted all key_2 asked us": 1, "contact.suppression_lifted channel key_2 asked us": 1,
		}, noted)
		must(t, s.Suppress(ctx, of(survey.ScopeAll)))
		_, err = s.EraseContact(ctx, survey.Live, ana.ContactID, "usr_1", t0)
		must(t, err)
		must(t, s.Lift(ctx, survey.Lift{Mode: survey.Live, Channel: survey.Email, Address: anaMail, Scope: survey.ScopeAll, At: t0}))
		if left, err := s.SuppressionsUnder(ctx, survey.Live, []string{anaMail}); err != nil || len(left) != 1 || left[0].Scope != survey.ScopeUnreachable {
			t.Errorf("left %+v, %v", left, err)
		}
	})
}

// Who was erased after a STOP and orders again may take it back by a reply: what is kept under a hash of the address goes too.
func TestErasedPersonStartsAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		ana := accept(t, s, to(1, survey.Recipient{ExternalID: "c-1", Phone: anaPhone}))[0].Send
		stop := survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: anaPhone, Scope: survey.ScopeAll, Reason: "stop_keyword", At: t0}
		must(t, s.Suppress(ctx, stop))
		_, err := s.EraseContact(ctx, survey.Live, ana.ContactID, "usr_1", t0)
		must(t, err)
		again := accept(t, s, to(2, survey.Recipient{Phone: anaPhone}))[0].Send
		st := load(t, s, again.ID)
		if len(st.Suppressions) != 1 || st.Suppressions[0].Address != anaPhone {
			t.Fatalf("after the erasure: %+v", st.Suppressions)
		}
		_, err = s.ApplyFrom(ctx, st, func(st *survey.State) error {
			st.Lift, st.Suppressions = st.Suppressions, nil
			return nil
		})
		must(t, err)
		left, err := s.SuppressionsUnder(ctx, survey.Live, []string{anaPhone})
		must(t, err)
		diff(t, "left", 0, len(left))
	})
}

// A list may name an address twice: what was said first stays, of what reaches nobody the latest.
func TestSuppressTwiceInOneList(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var all []survey.Suppression
		for _, days := range []int{1, 5, 3} {
			for _, scope := range []string{survey.ScopeAll, survey.ScopeUnreachable} {
				all = append(all, survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: anaPhone, Scope: scope, At: t0.AddDate(0, 0, days)})
			}
		}
		must(t, s.SuppressAll(ctx, all))
		got, err := s.SuppressionsOf(ctx, survey.Live, []string{anaPhone})
		must(t, err)
		if len(got) != 2 || !got[0].At.Equal(t0.AddDate(0, 0, 1)) || !got[1].At.Equal(t0.AddDate(0, 0, 5)) {
			t.Errorf("kept %+v", got)
		}
	})
}

// Two spellings of an email that differ in letter case are one address, whoever writes it.
func TestEmailsInAnyCase(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		ids := make(map[string]string)
		for i, mail := range []string{"ana@example.hr", "Ana@Example.HR"} {
			send := accept(t, s, to(i, survey.Recipient{ExternalID: "c-1", Email: mail}))[0].Send
			ids[mail] = send.ID
			if send.Recipient.Email != anaMail {
				t.Errorf("kept as %q", send.Recipient.Email)
			}
		}
		_, err := s.Apply(ctx, ids["Ana@Example.HR"], func(st *survey.State) error {
			st.Attempts = append(st.Attempts, survey.Attempt{Kind: survey.Invitation, Channel: survey.Email, Sender: "mail", Address: st.Send.Recipient.Email, Status: survey.AttemptSent, At: t0})
			return nil
		})
		must(t, err)
		if id, err := s.SendOfThread(ctx, survey.Live, survey.Email, "ANA@example.hr"); err != nil || id != ids["Ana@Example.HR"] {
			t.Errorf("thread of %q, %v", id, err)
		}
		must(t, s.Suppress(ctx, survey.Suppression{Mode: survey.Live, Channel: survey.Email, Address: "ANA@Example.hr", Reason: "stop_keyword", At: t0}))
		for mail, id := range ids {
			st := load(t, s, id)
			if len(st.Suppressions) != 1 || st.Suppressions[0].Address != anaMail {
				t.Errorf("%s is suppressed by %+v", mail, st.Suppressions)
			}
		}
		facts, err := s.Facts(ctx, []survey.State{load(t, s, ids["ana@example.hr"])}, nil)
		if err != nil || len(facts[ids["ana@example.hr"]].Past) != 1 {
			t.Errorf("asked before: %+v, %v", facts, err)
		}
		must(t, s.Lift(ctx, survey.Lift{Mode: survey.Live, Channel: survey.Email, Address: "aNa@example.hr"}))
		if st := load(t, s, ids["ana@example.hr"]); len(st.Suppressions) != 0 {
			t.Errorf("still suppressed: %+v", st.Suppressions)
		}
	})
}

func TestSendByTransaction(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		m := newSend(1)
		out := accept(t, s, m)[0]
		got, err := s.SendByTransaction(t.Context(), survey.Live, m.Survey, m.Transaction.ID, out.Send.ContactID)
		if err != nil || got != out.ID {
			t.Errorf("send %q, %v", got, err)
		}
		for name, args := range map[string][3]string{
			"survey": {"other", m.Transaction.ID, out.Send.ContactID}, "transaction": {m.Survey, "other", out.Send.ContactID},
			"no transaction": {m.Survey, "", out.Send.ContactID}, "contact": {m.Survey, m.Transaction.ID, "other"},
		} {
			if got, err := s.SendByTransaction(t.Context(), survey.Live, args[0], args[1], args[2]); !errors.Is(err, survey.ErrNotFound) {
				t.Errorf("another %s: %q, %v", name, got, err)
			}
		}
		if got, err := s.SendByTransaction(t.Context(), survey.Test, m.Survey, m.Transaction.ID, out.Send.ContactID); !errors.Is(err, survey.ErrNotFound) {
			t.Errorf("of test sends: %q, %v", got, err)
		}
	})
}

// STOP and START that are written in one commit end as they came.
func TestSuppressedAndLiftedTogether(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		out := accept(t, s, newSend(1))
		p := survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: newSend(1).Recipient.Phone, Scope: survey.ScopeAll, Reason: "stop", At: t0}
		stop := func(st *survey.State) { st.Suppressions = append(st.Suppressions, p) }
		start := func(st *survey.State) { st.Suppressions, st.Lift = nil, append(st.Lift, p) }
		for i, words := range [][]func(*survey.State){{stop, start}, {start, stop}} {
			release := s.Hold(t.Context())
			var wg sync.WaitGroup
			for n, word := range words {
				wg.Go(func() {
					_, err := s.Apply(t.Context(), out[0].ID, func(st *survey.State) error {
						word(st)
						return nil
					})
					must(t, err)
				})
				for s.Waiting() <= n {
					runtime.Gosched()
				}
			}
			release()
			wg.Wait()
			if got := load(t, s, out[0].ID).Suppressions; len(got) != i {
				t.Errorf("ends with %+v; want %d", got, i)
			}
		}
	})
}
