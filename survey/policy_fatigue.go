package survey

import (
	"slices"
	"time"
)

// A tired is what fatigue found about a send that asks one survey.
type tired struct {
	rules   []Rule
	reason  Reason    // of the first rule that fired; "" = none did
	free    time.Time // when none fires any more
	blocked Blocked
}

// add records a rule; free is when the person is free of it, and after now it has fired.
func (t *tired) add(name string, reason Reason, free, now time.Time, saw map[string]any) {
	r := Rule{Name: name, Fired: free.After(now), Saw: saw}
	if r.Fired {
		saw["free_at"] = free.UTC()
		if t.reason == "" {
			t.reason = reason
		}
		if free.After(t.free) {
			t.free = free
		}
	}
	t.rules = append(t.rules, r)
}

// fatigue holds what is known of the person against a send that asks a survey.
func (p *Policy) fatigue(send *Send, asks string, past []Past, now time.Time) tired {
	f, rule := p.fatigueOf(send, asks)
	t := tired{blocked: f.Blocked}
	if rule > 0 {
		saw := map[string]any{"rule": rule}
		if p.Rules[rule-1].Exempt {
			saw["exempt"] = true
		}
		t.rules = append(t.rules, Rule{Name: "override", Saw: saw})
	}
	t.cooldown("invite", "", f.AfterInvite.Any, past, now)
	t.cooldown("invite", asks, f.AfterInvite.Same, past, now)
	t.cooldown("response", "", f.AfterResponse.Any, past, now)
	t.cooldown("response", asks, f.AfterResponse.Same, past, now)
	for _, c := range f.Caps {
		if c.holds(send) {
			t.limit(c, past, now)
		}
	}
	return t
}

// cooldown looks for the latest invitation or answer, of one survey or, when asks is "", of any.
func (t *tired) cooldown(after, asks string, rest time.Duration, past []Past, now time.Time) {
	if rest <= 0 {
		return
	}
	var last time.Time
	var of string
	for _, p := range past {
		at := p.InvitedAt
		if after == "response" {
			at = p.AnsweredAt
		}
		if (asks == "" || p.Survey == asks) && at.After(last) {
			last, of = at, p.SendID
		}
	}
	saw := map[string]any{"after": after, "of": "any", "rest": rest.String()}
	if asks != "" {
		saw["of"] = asks
	}
	if last.IsZero() {
		t.add("cooldown", ReasonCooldown, time.Time{}, now, saw)
		return
	}
	saw["last"] = last.UTC()
	if of != "" {
		saw["send"] = of
	}
	t.add("cooldown", ReasonCooldown, last.Add(rest), now, saw)
}

// limit counts the invitations of the period that ends now. The person is free when all but N-1 of them have left it.
func (t *tired) limit(c Cap, past []Past, now time.Time) {
	var at []time.Time
	for _, p := range past {
		if !p.InvitedAt.IsZero() && p.InvitedAt.Add(c.Per).After(now) && anyOf(c.Touchpoints, p.Touchpoint) {
			at = append(at, p.InvitedAt)
		}
	}
	saw := map[string]any{"n": c.N, "per": c.Per.String(), "count": len(at)}
	if len(c.Touchpoints) > 0 {
		saw["touchpoints"] = c.Touchpoints
	}
	free := time.Time{}
	if len(at) >= c.N {
		slices.SortFunc(at, time.Time.Compare)
		free = at[len(at)-c.N].Add(c.Per)
	}
	t.add("limit", ReasonLimit, free, now, saw)
}
