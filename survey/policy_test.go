package survey_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/odziv/odziv/survey"
)

const oneDay = 24 * time.Hour

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func TestDecideConsent(t *testing.T) {
	t.Parallel()
	given := func(basis string, age time.Duration) *survey.Consent {
		return &survey.Consent{Basis: basis, At: ago(age)}
	}
	tests := []struct {
		name    string
		p       survey.ConsentPolicy
		have    *survey.Consent
		verdict survey.Verdict
	}{
		{"not asked for", survey.ConsentPolicy{}, nil, survey.Go},
		{"withdrawn", survey.ConsentPolicy{}, given("withdrawn", oneDay), survey.Stop},
		{"objected", survey.ConsentPolicy{Required: true, Bases: []string{"objected"}}, given("objected", oneDay), survey.Stop},
		{"required, none", survey.ConsentPolicy{Required: true}, nil, survey.Stop},
		{"required, any", survey.ConsentPolicy{Required: true}, given("checkout", oneDay), survey.Go},
		{"allowed basis", survey.ConsentPolicy{Bases: []string{"contract", "explicit"}}, given("explicit", oneDay), survey.Go},
		{"other basis", survey.ConsentPolicy{Bases: []string{"contract", "explicit"}}, given("guess", oneDay), survey.Stop},
		{"young enough", survey.ConsentPolicy{MaxAge: 30 * oneDay}, given("explicit", 30*oneDay), survey.Go},
		{"too old", survey.ConsentPolicy{MaxAge: 30 * oneDay}, given("explicit", 31*oneDay), survey.Stop},
		{"of unknown age", survey.ConsentPolicy{MaxAge: 30 * oneDay}, &survey.Consent{Basis: "explicit"}, survey.Stop},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newState()
			s.Send.Consent = tt.have
			d := survey.Decide(s, survey.Facts{}, survey.Policy{Consent: tt.p}, noon)
			if d.Verdict != tt.verdict || d.Verdict == survey.Stop && (d.Status != survey.Suppressed || d.Reason != survey.ReasonNoConsent) {
				t.Errorf("%s, %s, %q; want %s (%+v)", d.Verdict, d.Status, d.Reason, tt.verdict, d.Rules)
			}
			s.Send.Mode = survey.Test
			test := survey.Decide(s, survey.Facts{}, survey.Policy{Consent: tt.p}, noon)
			always := tt.have != nil && (tt.have.Basis == survey.BasisWithdrawn || tt.have.Basis == survey.BasisObjected)
			if (test.Verdict == survey.Stop) != always {
				t.Errorf("a test send: %s, want a stop only for who has withdrawn", test.Verdict)
			}
		})
	}
}

func TestDecideSuppressions(t *testing.T) {
	t.Parallel()
	sup := func(scope, subject string) survey.Suppression {
		return survey.Suppression{Channel: survey.Email, Address: "ana@example.hr", Scope: scope, Subject: subject, Reason: "one_click"}
	}
	viber := survey.Suppression{Channel: survey.Viber, Address: "v1", Scope: survey.ScopeUnreachable, Reason: "provider", At: ago(29 * oneDay)}
	old := viber
	old.At = ago(31 * oneDay)
	tests := []struct {
		name    string
		sup     survey.Suppression
		kind    survey.Kind
		verdict survey.Verdict
		reason  survey.Reason
	}{
		{"everywhere", sup(survey.ScopeAll, ""), survey.Invitation, survey.Stop, survey.ReasonOptedOut},
		{"everywhere, in a conversation", sup(survey.ScopeAll, ""), survey.FollowupPassive, survey.Stop, survey.ReasonOptedOut},
		{"everywhere, but the confirmation is owed", sup(survey.ScopeAll, ""), survey.OptOut, survey.Go, ""},
		{"this brand", sup(survey.ScopeBrand, "lipa"), survey.Reminder, survey.Stop, survey.ReasonOptedOut},
		{"another brand", sup(survey.ScopeBrand, "hrast"), survey.Invitation, survey.Go, ""},
		{"this survey", sup(survey.ScopeSurvey, "nps-after-purchase"), survey.Invitation, survey.Stop, survey.ReasonOptedOut},
		{"another survey", sup(survey.ScopeSurvey, "csat-after-support"), survey.Invitation, survey.Go, ""},
		{"another channel", sup(survey.ScopeChannel, ""), survey.Invitation, survey.Go, ""},
		{"reached nobody lately", viber, survey.Invitation, survey.Skip, survey.ReasonUnreachable},
		{"reached nobody long ago", old, survey.Invitation, survey.Go, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newState()
			s.Send.Brand, s.Send.Kind = "lipa", tt.kind
			s.Suppressions = []survey.Suppression{tt.sup}
			p := survey.Policy{Reach: map[survey.Channel]time.Duration{survey.Viber: 30 * oneDay, survey.Email: survey.Forever}}
			d := survey.Decide(s, survey.Facts{}, p, noon)
			if d.Verdict != tt.verdict || d.Reason != tt.reason {
				t.Errorf("%s, %q; want %s, %q (%+v)", d.Verdict, d.Reason, tt.verdict, tt.reason, d.Rules)
			}
		})
	}
	t.Run("the swapped survey", func(t *testing.T) {
		t.Parallel()
		s := newState()
		s.Send.Thread.Survey = "csat-after-support"
		s.Suppressions = []survey.Suppression{sup(survey.ScopeSurvey, "csat-after-support")}
		if d := survey.Decide(s, survey.Facts{}, survey.Policy{}, noon); d.Verdict != survey.Stop {
			t.Errorf("%s: the person left the survey that is really asked", d.Verdict)
		}
	})
	t.Run("mail that bounced, for ever", func(t *testing.T) {
		t.Parallel()
		s := newState()
		s.Send.Step = 2
		s.Suppressions = []survey.Suppression{{Channel: survey.Email, Address: "ana@example.hr", Scope: survey.ScopeUnreachable, At: ago(4000 * oneDay)}}
		p := survey.Policy{Reach: map[survey.Channel]time.Duration{survey.Email: survey.Forever}}
		if d := survey.Decide(s, survey.Facts{}, p, noon); d.Verdict != survey.Skip {
			t.Errorf("%s, want skip", d.Verdict)
		}
	})
}

func TestDecideSession(t *testing.T) {
	t.Parallel()
	limits := survey.SessionPolicy{Unanswered: 5, Total: 60, Window: 24 * time.Hour}
	only := limits
	only.SessionOnly = true
	tests := []struct {
		name    string
		p       survey.SessionPolicy
		session survey.Session
		kind    survey.Kind
		verdict survey.Verdict
		reason  survey.Reason
	}{
		{"nothing said", limits, survey.Session{}, survey.Invitation, survey.Go, ""},
		{"four unanswered", limits, survey.Session{Unanswered: 4}, survey.Invitation, survey.Go, ""},
		{"five unanswered", limits, survey.Session{Unanswered: 5}, survey.Invitation, survey.Skip, survey.ReasonSessionLimit},
		{"59 in the session", limits, survey.Session{HeardAt: ago(time.Hour), Said: 59}, survey.Invitation, survey.Go, ""},
		{"60 in the session", limits, survey.Session{HeardAt: ago(time.Hour), Said: 60}, survey.Invitation, survey.Skip, survey.ReasonSessionLimit},
		{"60 in a session that is over", limits, survey.Session{HeardAt: ago(24 * time.Hour), Said: 60}, survey.Invitation, survey.Go, ""},
		{"60 in the session, in a conversation", limits, survey.Session{HeardAt: ago(time.Hour), Said: 60}, survey.FollowupPassive, survey.Stop, survey.ReasonSessionLimit},
		{"closed", only, survey.Session{HeardAt: ago(24 * time.Hour)}, survey.Invitation, survey.Skip, survey.ReasonSessionClosed},
		{"never opened", only, survey.Session{}, survey.Invitation, survey.Skip, survey.ReasonSessionClosed},
		{"open", only, survey.Session{HeardAt: ago(24*time.Hour - time.Second)}, survey.Invitation, survey.Go, ""},
		{"no limits", survey.SessionPolicy{}, survey.Session{Unanswered: 500, Said: 500}, survey.Invitation, survey.Go, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newState()
			s.Send.Kind = tt.kind
			s.Send.Thread.Channel, s.Send.Thread.Address = survey.Viber, "v1"
			d := survey.Decide(s, survey.Facts{Session: tt.session}, survey.Policy{Viber: tt.p}, noon)
			if d.Verdict != tt.verdict || d.Reason != tt.reason {
				t.Errorf("%s, %q; want %s, %q", d.Verdict, d.Reason, tt.verdict, tt.reason)
			}
			s.Send.Kind, s.Send.Step = survey.Invitation, 1
			if d := survey.Decide(s, survey.Facts{Session: tt.session}, survey.Policy{Viber: tt.p}, noon); d.Verdict != survey.Go {
				t.Errorf("over SMS: %s", d.Verdict)
			}
		})
	}
}

func TestDecideFatigue(t *testing.T) {
	t.Parallel()
	const nps, csat = "nps-after-purchase", "csat-after-support"
	past := func(sv, touchpoint string, invited time.Duration) survey.Past {
		return survey.Past{SendID: "snd_0", Survey: sv, Touchpoint: touchpoint, Channel: survey.Email, InvitedAt: ago(invited)}
	}
	answered := past(csat, "", 20*oneDay)
	answered.AnsweredAt = ago(5 * oneDay)
	month := 30 * oneDay
	tests := []struct {
		name    string
		p       survey.Policy
		past    []survey.Past
		verdict survey.Verdict
		reason  survey.Reason
		until   time.Time
	}{
		{"nobody asked", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: month, Same: month}}}, nil, survey.Go, "", time.Time{}},
		{"any survey, asked another", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: month}}}, []survey.Past{past(csat, "", 29*oneDay)}, survey.Stop, survey.ReasonCooldown, time.Time{}},
		{"any survey, rested", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: month}}}, []survey.Past{past(csat, "", month)}, survey.Go, "", time.Time{}},
		{"the same survey, asked another", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Same: month}}}, []survey.Past{past(csat, "", oneDay)}, survey.Go, "", time.Time{}},
		{"the same survey again", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Same: month}}}, []survey.Past{past(csat, "", oneDay), past(nps, "", 29*oneDay)}, survey.Stop, survey.ReasonCooldown, time.Time{}},
		{"after an answer to any", survey.Policy{Fatigue: survey.Fatigue{AfterResponse: survey.Cooldown{Any: 6 * oneDay}}}, []survey.Past{answered}, survey.Stop, survey.ReasonCooldown, time.Time{}},
		{"after an answer to another", survey.Policy{Fatigue: survey.Fatigue{AfterResponse: survey.Cooldown{Same: 6 * oneDay}}}, []survey.Past{answered}, survey.Go, "", time.Time{}},
		{"an invitation is no answer", survey.Policy{Fatigue: survey.Fatigue{AfterResponse: survey.Cooldown{Any: month}}}, []survey.Past{past(csat, "", oneDay)}, survey.Go, "", time.Time{}},
		{"below the limit", survey.Policy{Fatigue: survey.Fatigue{Caps: []survey.Cap{{N: 2, Per: month}}}}, []survey.Past{past(csat, "", oneDay), past(nps, "", month)}, survey.Go, "", time.Time{}},
		{"at the limit", survey.Policy{Fatigue: survey.Fatigue{Caps: []survey.Cap{{N: 2, Per: month}}}}, []survey.Past{past(csat, "", oneDay), past(nps, "", 29*oneDay)}, survey.Stop, survey.ReasonLimit, time.Time{}},
		{"a group counts its own", survey.Policy{Fatigue: survey.Fatigue{Caps: []survey.Cap{{N: 1, Per: month, Touchpoints: []string{"store", "delivery"}}}}}, []survey.Past{past(csat, "call", oneDay)}, survey.Go, "", time.Time{}},
		{"a group is full", survey.Policy{Fatigue: survey.Fatigue{Caps: []survey.Cap{{N: 1, Per: month, Touchpoints: []string{"store", "delivery"}}}}}, []survey.Past{past(csat, "store", oneDay)}, survey.Stop, survey.ReasonLimit, time.Time{}},
		{"a group of others", survey.Policy{Fatigue: survey.Fatigue{Caps: []survey.Cap{{N: 1, Per: month, Touchpoints: []string{"store"}}}}}, []survey.Past{past(csat, "store", oneDay)}, survey.Go, "", time.Time{}},
		{"an attribute that is not this send's", survey.Policy{Fatigue: survey.Fatigue{Caps: []survey.Cap{{N: 1, Per: month, Where: map[string]string{"tier": "silver"}}}}}, []survey.Past{past(csat, "", oneDay)}, survey.Go, "", time.Time{}},
		{"an attribute of this send counts all", survey.Policy{Fatigue: survey.Fatigue{Caps: []survey.Cap{{N: 1, Per: month, Where: map[string]string{"tier": "gold"}}}}}, []survey.Past{past(csat, "", oneDay)}, survey.Stop, survey.ReasonLimit, time.Time{}},
		{"delay", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: month}, Blocked: survey.BlockedDelay}}, []survey.Past{past(csat, "", 29*oneDay)}, survey.Hold, survey.ReasonCooldown, noon.Add(oneDay)},
		{"delay until the last rule is free", survey.Policy{Fatigue: survey.Fatigue{
			AfterInvite: survey.Cooldown{Any: month}, Caps: []survey.Cap{{N: 2, Per: 40 * oneDay}, {N: 3, Per: 40 * oneDay}}, Blocked: survey.BlockedDelay,
		}}, []survey.Past{past(csat, "", 29*oneDay), past(csat, "", 37*oneDay), past(csat, "", 39*oneDay)}, survey.Hold, survey.ReasonCooldown, noon.Add(3 * oneDay)},
		{"delay beyond the end", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: month}, Blocked: survey.BlockedDelay}}, []survey.Past{past(csat, "", 23*oneDay)}, survey.Stop, survey.ReasonCooldown, time.Time{}},
		{"swap", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Same: month}, Blocked: survey.BlockedSwap}, Swap: map[string]string{nps: csat}}, []survey.Past{past(nps, "", oneDay)}, survey.Swap, survey.ReasonCooldown, time.Time{}},
		{"swap to one that is not free", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: month}, Blocked: survey.BlockedSwap}, Swap: map[string]string{nps: csat}}, []survey.Past{past(nps, "", oneDay)}, survey.Stop, survey.ReasonCooldown, time.Time{}},
		{"swap to one that a rule frees", survey.Policy{
			Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: month}, Blocked: survey.BlockedSwap}, Swap: map[string]string{nps: csat},
			Rules: []survey.FatigueRule{{Surveys: []string{csat}, Exempt: true}},
		}, []survey.Past{past(nps, "", oneDay)}, survey.Swap, survey.ReasonCooldown, time.Time{}},
		{"swap to nothing", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Same: month}, Blocked: survey.BlockedSwap}}, []survey.Past{past(nps, "", oneDay)}, survey.Stop, survey.ReasonCooldown, time.Time{}},
		{"exempt by type", survey.Policy{
			Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: month}},
			Rules:   []survey.FatigueRule{{Types: []string{"call.ended"}, Fatigue: new(survey.Fatigue)}, {Types: []string{"order.delivered"}, Exempt: true}},
		}, []survey.Past{past(nps, "", oneDay)}, survey.Go, "", time.Time{}},
		{"the first rule that matches", survey.Policy{Rules: []survey.FatigueRule{
			{Touchpoints: []string{"delivery"}, Where: map[string]string{"tier": "gold"}, Fatigue: &survey.Fatigue{AfterInvite: survey.Cooldown{Any: month}}},
			{Touchpoints: []string{"delivery"}, Exempt: true},
		}}, []survey.Past{past(nps, "", oneDay)}, survey.Stop, survey.ReasonCooldown, time.Time{}},
		{"a rule that only delays", survey.Policy{
			Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: 2 * oneDay}},
			Rules:   []survey.FatigueRule{{Surveys: []string{nps}, Blocked: survey.BlockedDelay}},
		}, []survey.Past{past(nps, "", oneDay)}, survey.Hold, survey.ReasonCooldown, noon.Add(oneDay)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newState()
			s.Send.Transaction = survey.Transaction{Type: "order.delivered", Touchpoint: "delivery", Attributes: map[string]string{"tier": "gold"}}
			d := survey.Decide(s, survey.Facts{Past: tt.past}, tt.p, noon)
			if d.Verdict != tt.verdict || d.Reason != tt.reason || !d.Until.Equal(tt.until) {
				t.Errorf("%s, %q until %s; want %s, %q until %s (%+v)", d.Verdict, d.Reason, d.Until, tt.verdict, tt.reason, tt.until, d.Rules)
			}
			if (d.Instead != "") != (tt.verdict == survey.Swap) || d.Instead != "" && d.Instead != csat {
				t.Errorf("instead: %q", d.Instead)
			}
			test := *s
			test.Send.Mode = survey.Test
			if d := survey.Decide(&test, survey.Facts{Past: tt.past}, tt.p, noon); d.Verdict != survey.Go {
				t.Errorf("a test send: %s, %s", d.Verdict, d.Reason)
			}
			test.Send.Mode, test.Send.Step = survey.Live, 1
			test.Attempts = []survey.Attempt{{Kind: survey.Invitation, Status: survey.AttemptAccepted}}
			if d := survey.Decide(&test, survey.Facts{Past: tt.past}, tt.p, noon); d.Verdict != survey.Go || tt.p.Tires(&test) {
				t.Errorf("the next step of the same invitation: %s, %s", d.Verdict, d.Reason)
			}
			test.Attempts[0].Status = survey.AttemptFailed // nobody was reached: it is held back as before
			if again := survey.Decide(&test, survey.Facts{Past: tt.past}, tt.p, noon); again.Verdict != d.Verdict || again.Reason != d.Reason {
				t.Errorf("after a failed attempt: %s, %s", again.Verdict, again.Reason)
			}
			if d.Verdict != survey.Go && !tt.p.Tires(s) {
				t.Error("Tires says that no rule can apply")
			}
			if d.Verdict == survey.Swap { // is not swapped again
				s.Send.Thread.Survey = d.Instead
				p := tt.p
				p.Swap = map[string]string{nps: csat, csat: "shortest"}
				if again := survey.Decide(s, survey.Facts{Past: tt.past}, p, noon); again.Verdict != survey.Go {
					t.Errorf("after the swap: %s, %q", again.Verdict, again.Reason)
				}
			}
		})
	}
}

func TestTires(t *testing.T) {
	t.Parallel()
	s := newState()
	s.Send.Transaction.Touchpoint = "delivery"
	tests := []struct {
		name string
		p    survey.Policy
		want bool
	}{
		{"nothing", survey.Policy{Window: day}, false},
		{"a cooldown", survey.Policy{Fatigue: survey.Fatigue{AfterResponse: survey.Cooldown{Same: 1}}}, true},
		{"a limit", survey.Policy{Fatigue: survey.Fatigue{Caps: []survey.Cap{{N: 1, Per: 1}}}}, true},
		{"a limit of others", survey.Policy{Fatigue: survey.Fatigue{Caps: []survey.Cap{{N: 1, Per: 1, Touchpoints: []string{"store"}}}}}, false},
		{"exempt", survey.Policy{Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: 1}}, Rules: []survey.FatigueRule{{Exempt: true}}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.p.Tires(s); got != tt.want {
				t.Errorf("%t, want %t", got, tt.want)
			}
		})
	}
}

func TestDecideDuplicate(t *testing.T) {
	t.Parallel()
	d := survey.Decide(newState(), survey.Facts{Duplicate: "snd_0"}, survey.Policy{}, noon)
	if d.Verdict != survey.Stop || d.Reason != survey.ReasonDuplicate || d.Rules[0].Saw["send"] != "snd_0" {
		t.Errorf("%+v", d)
	}
}

// An opening after the end of the send is not waited for any longer than that: there it is closed.
func TestWindowEndsWithTheSend(t *testing.T) {
	t.Parallel()
	s := newState()
	night := time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC)
	s.Send.ExpiresAt = night.Add(time.Hour)
	d := survey.Decide(s, survey.Facts{}, survey.Policy{Window: day}, night)
	if d.Verdict != survey.Hold || !d.Until.Equal(s.Send.ExpiresAt) {
		t.Errorf("%s until %s, want hold until %s", d.Verdict, d.Until, s.Send.ExpiresAt)
	}
	if d := survey.Decide(s, survey.Facts{}, survey.Policy{Window: day}, d.Until); d.Verdict != survey.Stop || d.Status != survey.Expired {
		t.Errorf("then %s, %s", d.Verdict, d.Status)
	}
	// A delay ends inside the window.
	s = newState()
	p := survey.Policy{Window: day, Fatigue: survey.Fatigue{AfterInvite: survey.Cooldown{Any: 30 * oneDay}, Blocked: survey.BlockedDelay}}
	invited := time.Date(2026, 10, 22, 23, 0, 0, 0, time.UTC)
	d = survey.Decide(s, survey.Facts{Past: []survey.Past{{InvitedAt: invited}}}, p, noon)
	if want := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC); d.Verdict != survey.Hold || !d.Until.Equal(want) || d.Reason != survey.ReasonCooldown {
		t.Errorf("%s, %q until %s, want hold, cooldown until %s", d.Verdict, d.Reason, d.Until, want)
	}
}

// drawn is any send with any past under any policy.
type drawn struct {
	s     *survey.State
	f     survey.Facts
	p     survey.Policy
	now   time.Time
	heard time.Time
}

func draw(t *rapid.T, atlas *survey.Atlas) drawn {
	surveys := []string{"nps-after-purchase", "csat-after-support", "ces-after-return"}
	touchpoints := []string{"delivery", "store", ""}
	days := func(name string) time.Duration { return time.Duration(rapid.IntRange(0, 60).Draw(t, name)) * oneDay }
	now := time.Unix(rapid.Int64Range(1.76e9, 1.86e9).Draw(t, "now"), 0).UTC()
	s := newState()
	s.Send.Brand = "lipa"
	s.Send.Kind = rapid.SampledFrom([]survey.Kind{survey.Invitation, survey.Invitation, survey.Reminder, survey.FollowupPassive}).Draw(t, "kind")
	s.Send.Step = rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "step")
	s.Send.Transaction.Touchpoint = rapid.SampledFrom(touchpoints).Draw(t, "touchpoint")
	s.Send.Recipient.Phone = rapid.SampledFrom([]string{"+385911234567", "+48601234567", "+989121234567", "+12125550123", "+79161234567"}).Draw(t, "phone")
	s.Send.ExpiresAt = now.Add(time.Duration(rapid.Int64Range(-3600, 20*86400).Draw(t, "expires")) * time.Second)
	heard := now.Add(-time.Duration(rapid.IntRange(0, 30).Draw(t, "heard")) * time.Minute)
	var ids survey.IDSource
	s.Send.Thread = survey.Thread{Channel: survey.Viber, Address: "v1", Heard: ids.New(survey.InboundPrefix, heard)}
	if rapid.Bool().Draw(t, "swapped") {
		s.Send.Thread.Survey = surveys[1]
	}
	for range rapid.IntRange(0, 2).Draw(t, "suppressions") {
		s.Suppressions = append(s.Suppressions, survey.Suppression{
			Channel: survey.Viber, Address: "v1", At: now.Add(-days("suppressed")), Subject: rapid.SampledFrom([]string{"lipa", surveys[0], surveys[1], "x"}).Draw(t, "subject"),
			Scope: rapid.SampledFrom([]string{survey.ScopeAll, survey.ScopeBrand, survey.ScopeSurvey, survey.ScopeChannel, survey.ScopeUnreachable}).Draw(t, "scope"),
		})
	}
	var f survey.Facts
	for range rapid.IntRange(0, 5).Draw(t, "past") {
		p := survey.Past{Survey: rapid.SampledFrom(surveys).Draw(t, "survey"), Touchpoint: rapid.SampledFrom(touchpoints).Draw(t, "at"), InvitedAt: now.Add(-days("invited"))}
		if rapid.Bool().Draw(t, "answered") {
			p.AnsweredAt = p.InvitedAt
		}
		f.Past = append(f.Past, p)
	}
	fatigue := survey.Fatigue{
		AfterInvite:   survey.Cooldown{Any: days("any"), Same: days("same")},
		AfterResponse: survey.Cooldown{Any: days("answered any"), Same: days("answered same")},
		Caps:          []survey.Cap{{N: rapid.IntRange(1, 3).Draw(t, "n"), Per: days("per")}},
		Blocked:       rapid.SampledFrom([]survey.Blocked{"", survey.BlockedDrop, survey.BlockedDelay, survey.BlockedSwap}).Draw(t, "blocked"),
	}
	p := survey.Policy{Window: day, Atlas: atlas, Fatigue: fatigue, Swap: map[string]string{surveys[0]: surveys[1], surveys[1]: surveys[2]}}
	if rapid.Bool().Draw(t, "rule") {
		p.Rules = []survey.FatigueRule{{Surveys: surveys[1:2], Exempt: true}}
	}
	return drawn{s, f, p, now, heard}
}

// Law 2 begins here: one verdict, with what it needs and nothing else, and the same each time.
func TestDecisionIsOne(t *testing.T) {
	t.Parallel()
	atlas := newAtlas(t)
	rapid.Check(t, func(t *rapid.T) {
		in := draw(t, atlas)
		d := survey.Decide(in.s, in.f, in.p, in.now)
		again := survey.Decide(in.s, in.f, in.p, in.now)
		if d.Verdict != again.Verdict || d.Reason != again.Reason || !d.Until.Equal(again.Until) || d.Instead != again.Instead {
			t.Fatalf("%+v, then %+v", d, again)
		}
		conversation := in.s.Send.Kind == survey.FollowupPassive
		switch d.Verdict {
		case survey.Go:
			for _, r := range d.Rules {
				if r.Fired && !r.Waived {
					t.Fatalf("it goes although %s fired", r.Name)
				}
			}
		case survey.Hold:
			if conversation && in.now.Sub(in.heard) < 15*time.Minute || d.Status != survey.Scheduled || d.Reason == "" || !d.Until.After(in.now) || d.Until.After(in.s.Send.ExpiresAt) {
				t.Fatalf("held at %s until %s, end %s: %+v", in.now, d.Until, in.s.Send.ExpiresAt, d)
			}
		case survey.Stop:
			if !d.Status.Final() || d.Reason == "" {
				t.Fatalf("stopped without an outcome: %+v", d)
			}
		case survey.Skip:
			if conversation || d.Reason == "" {
				t.Fatalf("skipped: %+v", d)
			}
		case survey.Swap:
			send := in.s.Send
			if send.Thread.Survey != "" || d.Reason == "" {
				t.Fatalf("swapped twice: %+v", d)
			}
			other := *in.s
			other.Send.Thread.Survey = d.Instead
			if then := survey.Decide(&other, in.f, in.p, in.now); then.Reason == survey.ReasonCooldown || then.Reason == survey.ReasonLimit {
				t.Fatalf("%s is not free: %+v", d.Instead, then)
			}
		default:
			t.Fatalf("verdict %q", d.Verdict)
		}
		if (d.Verdict == survey.Hold) == d.Until.IsZero() || (d.Verdict == survey.Swap) == (d.Instead == "") {
			t.Fatalf("%+v", d)
		}
	})
}

// Law 7: after a suppression that is about the message, nothing goes.
func TestLaw07NothingGoesAfterASuppression(t *testing.T) {
	t.Parallel()
	atlas := newAtlas(t)
	rapid.Check(t, func(t *rapid.T) {
		in := draw(t, atlas)
		d := survey.Decide(in.s, in.f, in.p, in.now)
		asks, _ := in.s.Send.Asks()
		ch, to := in.s.Target()
		about := slices.ContainsFunc(in.s.Suppressions, func(x survey.Suppression) bool {
			switch x.Scope {
			case survey.ScopeAll:
				return true
			case survey.ScopeBrand:
				return x.Subject == in.s.Send.Brand
			case survey.ScopeSurvey:
				return x.Subject == asks
			case survey.ScopeChannel:
				return x.Channel == ch && x.Address == to
			default:
				return false
			}
		})
		if about && d.Verdict != survey.Stop && d.Verdict != survey.Skip {
			t.Fatalf("%s after %+v", d.Verdict, in.s.Suppressions)
		}
	})
}

// What waits for its person to be free is free of fatigue when it is looked at again, if nothing else happened.
func TestDelayEnds(t *testing.T) {
	t.Parallel()
	atlas := newAtlas(t)
	rapid.Check(t, func(t *rapid.T) {
		in := draw(t, atlas)
		d := survey.Decide(in.s, in.f, in.p, in.now)
		if d.Verdict != survey.Hold || d.Until.Equal(in.s.Send.ExpiresAt) {
			return
		}
		if then := survey.Decide(in.s, in.f, in.p, d.Until); then.Verdict == survey.Hold {
			t.Fatalf("held until %s for %s, then until %s for %s", d.Until, d.Reason, then.Until, then.Reason)
		}
	})
}
