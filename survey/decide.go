package survey

import (
	"strings"
	"time"
)

// DecisionVersion is recorded with every decision; it grows whenever the rules change.
const DecisionVersion = 1

// A Policy is what the rules are held against. The zero value holds nothing back.
type Policy struct {
	Window   Window
	Cooldown time.Duration  // after an invitation to any survey; 0 = none
	Zone     *time.Location // of the brand; nil = UTC
	TestToo  bool           // window and cooldown hold test sends back as well
}

// A Window is the part of each day in which people may be written to, in minutes after their midnight; From == To is
// the whole day.
type Window struct{ From, To int }

// A Verdict is what a decision says to do.
type Verdict string

// The verdicts.
const (
	Go   Verdict = "go"
	Hold Verdict = "hold" // until Decision.Until
	Stop Verdict = "stop" // with Decision.Status and Reason
	Skip Verdict = "skip" // this step of the plan: the next one
)

// A Rule is what one rule found. Every rule that was looked at is in the decision.
type Rule struct {
	Name   string         `json:"rule"`
	Fired  bool           `json:"fired"`
	Waived bool           `json:"waived,omitempty"` // fired, but test sends are not held back by it
	Saw    map[string]any `json:"saw,omitempty"`
}

// A Decision is what becomes of a send now, and why.
type Decision struct {
	Version int       `json:"version"`
	Verdict Verdict   `json:"verdict"`
	Status  Status    `json:"status,omitempty"`
	Reason  Reason    `json:"reason,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	Rules   []Rule    `json:"rules"`
}

// Decide tells what becomes of the message that is due for s. LastInvited is when any address of the
// recipient was last invited by another send; zero = never.
func Decide(s *State, lastInvited time.Time, p Policy, now time.Time) Decision {
	d := Decision{Version: DecisionVersion, Verdict: Go}
	send := &s.Send
	if send.Kind == OptOut { // the confirmation of a STOP is owed
		return d
	}
	waived := send.Mode == Test && !p.TestToo
	add := func(r Rule, v Verdict, status Status, reason Reason) {
		r.Waived = r.Fired && r.Waived
		d.Rules = append(d.Rules, r)
		if r.Fired && !r.Waived && d.Verdict == Go {
			d.Verdict, d.Status, d.Reason = v, status, reason
		}
	}
	scope, reason := s.suppressed()
	add(Rule{Name: "suppression", Fired: scope == ScopeAll, Saw: saw(reason != "", "reason", reason)}, Stop, Suppressed, ReasonOptedOut)
	if send.Kind != Invitation && send.Kind != Reminder {
		return d // a running conversation is not held back by the clock
	}
	add(Rule{Name: "expiry", Fired: !now.Before(send.ExpiresAt), Saw: map[string]any{"expires_at": send.ExpiresAt}}, Stop, Expired, ReasonExpired)
	add(Rule{Name: "channel", Fired: scope == ScopeChannel, Saw: saw(reason != "", "reason", reason)}, Skip, Suppressed, ReasonOptedOut)

	if p.Cooldown > 0 && len(s.Attempts) == 0 && send.Step == 0 {
		until := lastInvited.Add(p.Cooldown)
		add(Rule{
			Name: "cooldown", Fired: !lastInvited.IsZero() && now.Before(until), Waived: waived,
			Saw: saw(!lastInvited.IsZero(), "last_invited", lastInvited),
		}, Stop, Suppressed, ReasonCooldown)
	}
	if p.Window.From != p.Window.To {
		zone := Zone(send.Recipient, p.Zone)
		until := p.Window.Next(now, zone)
		fired := until.After(now)
		add(Rule{
			Name: "window", Fired: fired, Waived: waived,
			Saw: map[string]any{"zone": zone.String(), "local": now.In(zone).Format("15:04")},
		}, Hold, Scheduled, ReasonWindow)
		if d.Verdict == Hold {
			d.Until = until
		}
	}
	return d
}

func saw(ok bool, name string, v any) map[string]any {
	if !ok {
		return nil
	}
	return map[string]any{name: v}
}

// The scopes of a suppression.
const (
	ScopeAll     = "all"     // the person is not asked anywhere
	ScopeChannel = "channel" // not on this channel
)

// suppressed gives the widest scope that keeps the due message back, "" when none does.
func (s *State) suppressed() (scope, reason string) {
	ch, address := s.Target()
	for _, sup := range s.Suppressions {
		switch {
		case sup.Scope == ScopeAll:
			return ScopeAll, sup.Reason
		case sup.Channel == ch && sup.Address == address:
			scope, reason = ScopeChannel, sup.Reason
		}
	}
	return scope, reason
}

// Next is the first moment from now on that is inside the window in the zone. A local opening time that
// a change of clocks skips opens when the clocks have changed; one that comes twice opens the first time.
func (w Window) Next(now time.Time, zone *time.Location) time.Time {
	if w.From == w.To {
		return now
	}
	local := now.In(zone)
	minute := local.Hour()*60 + local.Minute()
	inside := minute >= w.From && minute < w.To
	if w.From > w.To { // over midnight
		inside = minute >= w.From || minute < w.To
	}
	if inside {
		return now
	}
	day := 0
	if minute >= w.From {
		day = 1
	}
	y, m, d := local.Date()
	open := time.Date(y, m, d+day, w.From/60, w.From%60, 0, 0, zone)
	if earlier := open.Add(-time.Hour); sameClock(earlier, open) {
		open = earlier
	}
	return open
}

func sameClock(a, b time.Time) bool { return a.Hour() == b.Hour() && a.Minute() == b.Minute() }

// Zone is where the recipient lives: as the request says, else by the country of the phone, else the brand's zone.
func Zone(r Recipient, brand *time.Location) *time.Location {
	if r.Timezone != "" {
		if loc, err := time.LoadLocation(r.Timezone); err == nil {
			return loc
		}
	}
	for _, c := range []struct{ prefix, zone string }{
		{"+385", "Europe/Zagreb"},
		{"+381", "Europe/Belgrade"},
		{"+386", "Europe/Ljubljana"},
		{"+48", "Europe/Warsaw"},
		{"+98", "Asia/Tehran"},
	} {
		if strings.HasPrefix(r.Phone, c.prefix) {
			if loc, err := time.LoadLocation(c.zone); err == nil {
				return loc
			}
		}
	}
	if brand == nil {
		return time.UTC
	}
	return brand
}
