package survey_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
)

// pastSend is a send of person who, created days after the first day of the history and invited at once.
func pastSend(id string, days float64, who, sv string) survey.PastSend {
	at := time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC).Add(time.Duration(days * float64(oneDay)))
	return survey.PastSend{
		Send: survey.Send{
			ID: id, Mode: survey.Live, Survey: sv, ContactID: who, Recipient: survey.Recipient{Email: who + "@example.hr"},
			Plan:   []survey.Step{{Channel: survey.Email, Sender: "mail"}},
			Status: survey.Sent, CreatedAt: at, UpdatedAt: at, ExpiresAt: at.Add(7 * oneDay),
		},
		InvitedAt: at, LastInvitedAt: at,
	}
}

func answered(p survey.PastSend) survey.PastSend {
	p.AnsweredAt, p.Send.Status = p.InvitedAt.Add(time.Hour), survey.Completed
	return p
}

func refused(p survey.PastSend, reason survey.Reason) survey.PastSend {
	p.Send.Status, p.Send.Reason = survey.Suppressed, reason
	p.InvitedAt, p.LastInvitedAt = time.Time{}, time.Time{}
	return p
}

func each(sends ...survey.PastSend) iter.Seq2[survey.PastSend, error] {
	return func(yield func(survey.PastSend, error) bool) {
		for _, s := range sends {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func TestReplayPolicy(t *testing.T) {
	t.Parallel()
	const nps, csat = "nps-after-purchase", "csat-after-support"
	since := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	dropped := func(pairs ...any) map[survey.Reason]int {
		m := map[survey.Reason]int{}
		for i := 0; i+1 < len(pairs); i += 2 {
			m[pairs[i].(survey.Reason)] = pairs[i+1].(int)
		}
		return m
	}
	cool := func(d time.Duration, b survey.Blocked) survey.Policy {
		return survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: d}, Blocked: b}}
	}
	tests := []struct {
		name    string
		p       survey.Policy
		history []survey.PastSend
		want    survey.PolicyReport
	}{
		{
			"nothing held back",
			survey.Policy{},
			[]survey.PastSend{answered(pastSend("a", 0, "ana", nps)), refused(pastSend("b", 1, "ana", nps), survey.ReasonCooldown)},
			survey.PolicyReport{
				Sends: 2, Before: survey.Outcome{Sent: 1, Answered: 1, Dropped: dropped(survey.ReasonCooldown, 1)},
				After: survey.Outcome{Sent: 2, Answered: 1, Dropped: dropped()}, Gained: 1, ExpectedAnswers: 1,
				Surveys: []survey.SurveyReport{{Survey: nps, SentBefore: 1, SentAfter: 2, AnsweredBefore: 1, Gained: 1, ExpectedAnswers: 1}},
			},
		},
		{
			"a cooldown loses an answer", cool(30*oneDay, ""),
			[]survey.PastSend{pastSend("a", 0, "ana", nps), answered(pastSend("b", 10, "ana", csat)), pastSend("c", 31, "ana", nps)},
			survey.PolicyReport{
				Sends: 3, Before: survey.Outcome{Sent: 3, Answered: 1, Dropped: dropped()},
				After: survey.Outcome{Sent: 2, Dropped: dropped(survey.ReasonCooldown, 1)}, Lost: 1, LostAnswers: 1,
				Surveys: []survey.SurveyReport{{Survey: csat, SentBefore: 1, AnsweredBefore: 1, LostAnswers: 1}, {Survey: nps, SentBefore: 2, SentAfter: 2}},
			},
		},
		{
			"what is not sent tires nobody", cool(10*oneDay, ""),
			[]survey.PastSend{pastSend("a", 0, "ana", nps), pastSend("b", 9, "ana", nps), pastSend("c", 11, "ana", nps)},
			survey.PolicyReport{
				Sends: 3, Before: survey.Outcome{Sent: 3, Dropped: dropped()},
				After: survey.Outcome{Sent: 2, Dropped: dropped(survey.ReasonCooldown, 1)}, Lost: 1,
				Surveys: []survey.SurveyReport{{Survey: nps, SentBefore: 3, SentAfter: 2}},
			},
		},
		{
			"a delay, and one beyond the end", cool(10*oneDay, survey.BlockedDelay),
			[]survey.PastSend{pastSend("a", 0, "ana", nps), pastSend("b", 2, "ana", nps), answered(pastSend("c", 8, "ana", nps))},
			survey.PolicyReport{
				Sends: 3, Before: survey.Outcome{Sent: 3, Answered: 1, Dropped: dropped()},
				After: survey.Outcome{Sent: 2, Answered: 1, Dropped: dropped(survey.ReasonCooldown, 1)}, Lost: 1, Delayed: 1, LongestDelay: 2 * oneDay,
				Surveys: []survey.SurveyReport{{Survey: nps, SentBefore: 3, SentAfter: 2, AnsweredBefore: 1}},
			},
		},
		{
			"a swap",
			survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Same: 90 * oneDay}, Blocked: survey.BlockedSwap}, Swap: map[string]string{nps: csat}},
			[]survey.PastSend{pastSend("a", 0, "ana", nps), pastSend("b", 1, "ana", nps), pastSend("c", 2, "ana", nps)},
			survey.PolicyReport{
				Sends: 3, Before: survey.Outcome{Sent: 3, Dropped: dropped()},
				After: survey.Outcome{Sent: 2, Dropped: dropped(survey.ReasonCooldown, 1)}, Lost: 1, Swapped: 1,
				Surveys: []survey.SurveyReport{{Survey: nps, SentBefore: 3, SentAfter: 2}},
			},
		},
		{
			"before the beginning it only tires", cool(30*oneDay, ""),
			[]survey.PastSend{pastSend("a", -10, "ana", nps), pastSend("b", 5, "ana", nps), pastSend("c", 5, "iva", nps)},
			survey.PolicyReport{
				Sends: 2, Before: survey.Outcome{Sent: 2, Dropped: dropped()},
				After: survey.Outcome{Sent: 1, Dropped: dropped(survey.ReasonCooldown, 1)}, Lost: 1,
				Surveys: []survey.SurveyReport{{Survey: nps, SentBefore: 2, SentAfter: 1}},
			},
		},
		{
			"one person under two contacts", cool(30*oneDay, ""),
			func() []survey.PastSend {
				a, b, c := pastSend("a", 0, "ana", nps), pastSend("b", 1, "ana-2", nps), pastSend("c", 2, "ana-2", nps)
				b.Send.Recipient.Phone, c.Send.Recipient.Phone = "+385911", ""
				b.Send.Recipient.Email = a.Send.Recipient.Email
				return []survey.PastSend{a, b, c}
			}(),
			survey.PolicyReport{
				Sends: 3, Before: survey.Outcome{Sent: 3, Dropped: dropped()},
				After: survey.Outcome{Sent: 1, Dropped: dropped(survey.ReasonCooldown, 2)}, Lost: 2,
				Surveys: []survey.SurveyReport{{Survey: nps, SentBefore: 3, SentAfter: 1}},
			},
		},
		{
			"an answer that comes later holds nothing back",
			survey.Policy{Fatigue: survey.Fatigue{AfterResponse: survey.Cooldown{Any: 30 * oneDay}}},
			func() []survey.PastSend {
				a := answered(pastSend("a", 0, "ana", nps))
				a.AnsweredAt = a.InvitedAt.Add(2 * oneDay)
				return []survey.PastSend{a, pastSend("b", 1, "ana", nps), pastSend("c", 3, "ana", nps)}
			}(),
			survey.PolicyReport{
				Sends: 3, Before: survey.Outcome{Sent: 3, Answered: 1, Dropped: dropped()},
				After: survey.Outcome{Sent: 2, Answered: 1, Dropped: dropped(survey.ReasonCooldown, 1)}, Lost: 1,
				Surveys: []survey.SurveyReport{{Survey: nps, SentBefore: 3, SentAfter: 2, AnsweredBefore: 1}},
			},
		},
		{
			"who had left is in neither",
			survey.Policy{},
			[]survey.PastSend{refused(pastSend("a", 0, "ana", nps), survey.ReasonOptedOut)},
			survey.PolicyReport{
				Sends: 1, Before: survey.Outcome{Dropped: dropped()}, After: survey.Outcome{Dropped: dropped()}, Other: map[string]int{"suppressed opted_out": 1},
			},
		},
		{
			"the window waits",
			survey.Policy{Window: clock("12:00", "20:00")},
			[]survey.PastSend{pastSend("a", 0, "ana", nps)},
			survey.PolicyReport{
				Sends: 1, Before: survey.Outcome{Sent: 1, Dropped: dropped()}, After: survey.Outcome{Sent: 1, Dropped: dropped()},
				Delayed: 1, LongestDelay: 2 * time.Hour, Surveys: []survey.SurveyReport{{Survey: nps, SentBefore: 1, SentAfter: 1}},
			},
		},
		{
			"fatigue holds for the step after one that is skipped",
			survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: 30 * oneDay}}, Viber: survey.SessionPolicy{SessionOnly: true}},
			func() []survey.PastSend {
				sends := []survey.PastSend{pastSend("a", 0, "ana", nps), pastSend("b", 1, "ana", csat)}
				for i := range sends {
					sends[i].Send.Plan = []survey.Step{{Channel: survey.Viber, Sender: "bot"}, {Channel: survey.SMS, Sender: "sms"}}
					sends[i].Send.Recipient.Phone = "+385911234567"
				}
				return sends
			}(),
			survey.PolicyReport{
				Sends: 2, Before: survey.Outcome{Sent: 2, Dropped: dropped()},
				After: survey.Outcome{Sent: 1, Dropped: dropped(survey.ReasonCooldown, 1)}, Lost: 1,
				Surveys: []survey.SurveyReport{{Survey: csat, SentBefore: 1}, {Survey: nps, SentBefore: 1, SentAfter: 1}},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := survey.ReplayPolicy(tt.p, since, each(tt.history...))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Other == nil {
				tt.want.Other = map[string]int{}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestReplayPolicyEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := survey.ReplayPolicy(survey.Policy{}, time.Time{}, func(yield func(survey.PastSend, error) bool) {
		_ = yield(pastSend("a", 0, "ana", "nps"), nil) && yield(survey.PastSend{}, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

// generated is a history of n sends over 90 days: three surveys, people with 1 to 20 of them, every seventh refused.
func generated(n int) iter.Seq2[survey.PastSend, error] {
	surveys := []string{"nps-after-purchase", "csat-after-support", "ces-after-return"}
	return func(yield func(survey.PastSend, error) bool) {
		seed := uint64(1)
		for i := range n {
			seed = seed*6364136223846793005 + 1442695040888963407
			x := seed >> 33
			s := pastSend(fmt.Sprintf("snd_%08d", i), 90*float64(i)/float64(n), fmt.Sprint("c-", x%uint64(n/5+1)), surveys[x%3])
			s.Send.Recipient.Phone = "+38591" + fmt.Sprintf("%07d", x%uint64(n/5+1))
			s.Send.Transaction.Touchpoint = []string{"delivery", "store"}[x%2]
			switch {
			case x%7 == 0:
				s = refused(s, survey.ReasonCooldown)
			case x%4 == 0:
				s = answered(s)
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

func replayed(t interface {
	Fatal(...any)
}, n int,
) survey.PolicyReport {
	p := survey.Policy{
		Window: day, Atlas: newAtlas(t), Swap: map[string]string{"nps-after-purchase": "ces-after-return"},
		Fatigue: survey.Fatigue{
			AfterInvite: survey.Cooldown{Any: 5 * oneDay, Same: 60 * oneDay}, AfterResponse: survey.Cooldown{Any: 20 * oneDay},
			Caps: []survey.Cap{{N: 3, Per: 60 * oneDay}}, Blocked: survey.BlockedSwap,
		},
		Rules: []survey.FatigueRule{{Surveys: []string{"csat-after-support"}, Blocked: survey.BlockedDelay}},
	}
	r, err := survey.ReplayPolicy(p, time.Time{}, generated(n))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every send of a history ends once on both sides.
func TestReplayPolicyOfManySends(t *testing.T) {
	t.Parallel()
	const n = 20_000 // a hundred thousand in BenchmarkReplayPolicy
	r := replayed(t, n)
	sum := func(o survey.Outcome) int {
		total := o.Sent
		for _, k := range o.Dropped {
			total += k
		}
		return total
	}
	if r.Sends != n || sum(r.Before) != n || sum(r.After) != n {
		t.Errorf("%d sends: %d before, %d after", r.Sends, sum(r.Before), sum(r.After))
	}
	if r.After.Sent != r.Before.Sent-r.Lost+r.Gained || r.After.Answered != r.Before.Answered-r.LostAnswers {
		t.Errorf("the sums do not agree: %+v", r)
	}
	if r.Lost == 0 || r.Gained == 0 || r.Delayed == 0 || r.Swapped == 0 || math.IsNaN(r.ExpectedAnswers) || r.ExpectedAnswers <= 0 {
		t.Errorf("a rule had no effect: %+v", r)
	}
}

func BenchmarkReplayPolicy(b *testing.B) {
	for b.Loop() {
		replayed(b, 100_000)
	}
}

// Replaying what a policy let go under the same policy changes nothing: the second report has no loss.
func TestReplayPolicyAgreesWithDecide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := survey.Policy{Fatigue: survey.Fatigue{
			AfterInvite: survey.Cooldown{Any: time.Duration(rapid.IntRange(0, 20).Draw(t, "any")) * oneDay},
			Caps:        []survey.Cap{{N: rapid.IntRange(1, 3).Draw(t, "n"), Per: time.Duration(rapid.IntRange(1, 40).Draw(t, "per")) * oneDay}},
		}}
		var days []int
		for range rapid.IntRange(1, 12).Draw(t, "sends") {
			days = append(days, rapid.IntRange(0, 80).Draw(t, "day"))
		}
		slices.Sort(days)
		var went []survey.PastSend
		var past []survey.Past
		for i, d := range days {
			x := pastSend(fmt.Sprintf("snd_%02d", i), float64(d)+float64(i)/1000, "ana", "nps")
			s := &survey.State{Send: x.Send}
			s.Send.Kind = survey.Invitation
			if dec := survey.Decide(s, survey.Facts{Past: past}, p, x.InvitedAt); dec.Verdict == survey.Go {
				past = append(past, survey.Past{InvitedAt: x.InvitedAt, Survey: "nps"})
			} else {
				x = refused(x, dec.Reason)
			}
			went = append(went, x)
		}
		r, err := survey.ReplayPolicy(p, time.Time{}, each(went...))
		if err != nil {
			t.Fatal(err)
		}
		if r.Lost+r.Gained+r.Delayed > 0 || !cmp.Equal(r.Before, r.After) {
			t.Fatalf("%+v", r)
		}
	})
}
