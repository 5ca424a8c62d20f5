package survey

import (
	"slices"
	"time"
)

// DecisionVersion is recorded with every decision; it grows whenever the rules change.
const DecisionVersion = 3

// prompt is for how long after a person's last word a message in answer to it goes at any hour. One that had to wait for longer,
// for its sender or for its provider, is no answer to somebody who is awake.
const prompt = 15 * time.Minute

// A Verdict is what a decision says to do.
type Verdict string

// The verdicts.
const (
	Go   Verdict = "go"
	Hold Verdict = "hold" // until Decision.Until
	Stop Verdict = "stop" // with Decision.Status and Reason
	Skip Verdict = "skip" // this step of the plan: the next one
	Swap Verdict = "swap" // ask Decision.Instead, and look again: no send is swapped twice
)

// A Rule is what one rule found. Every rule that was looked at is in the decision.
type Rule struct {
	Name   string         `json:"rule"`
	Fired  bool           `json:"fired"`
	Waived bool           `json:"waived,omitempty"` // fired, but test sends are not held back by it
	Saw    map[string]any `json:"saw,omitempty"`    // ids, codes, times and counts; never an address, a name or somebody's own words
}

// A Decision is what becomes of a send now, and why.
type Decision struct {
	Version int       `json:"version"`
	Verdict Verdict   `json:"verdict"`
	Status  Status    `json:"status,omitempty"`
	Reason  Reason    `json:"reason,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	Instead string    `json:"instead,omitempty"` // id of the survey to ask, of a Swap
	Release int       `json:"release,omitempty"` // of Instead; who carries the decision out fills it in
	Rules   []Rule    `json:"rules"`
}

// A Past is an earlier send of the same person, that reached a provider or was answered.
type Past struct {
	SendID     string
	Survey     string // that was really asked
	Touchpoint string
	Channel    Channel
	InvitedAt  time.Time // of its last invitation or reminder; zero = only its answer is known
	AnsweredAt time.Time // zero = not answered
}

// A Session is what was said between a sender and an address on a channel that counts it, such as Viber. The zero
// value says that nothing was.
type Session struct {
	HeardAt    time.Time // when the person last wrote; zero = never
	Unanswered int       // messages of ours since then
	Said       int       // messages of ours since the session began, 24 h after the last word of the session before
}

// Facts are what a decision looks at beside the state.
type Facts struct {
	Past      []Past        // of this person, any channel, any order; never the send itself
	Session   Session       // of the address that the message would go to
	Elsewhere []Suppression // of other addresses of the person, of the scopes that hold on every channel
	Duplicate string        // id of an earlier send of the same survey, transaction and contact: only a dry run can meet one
}

// Reasons of suppressions that a word of the person may lift.
const (
	SaidStop     = "stop_keyword" // the person said so
	SaidProvider = "provider"     // the provider says that the person did
)

// The scopes of a suppression.
const (
	ScopeAll         = "all"         // the person is not asked anywhere
	ScopeBrand       = "brand"       // not for this brand, on any channel
	ScopeSurvey      = "survey"      // not for this survey, on any channel
	ScopeChannel     = "channel"     // not on this channel and address
	ScopeUnreachable = "unreachable" // this address of this channel does not reach anybody, as a provider said
)

// A decider collects what the rules say. The first rule that fires makes the decision; those after it are still recorded.
type decider struct {
	d      Decision
	s      *State
	f      Facts
	p      *Policy
	now    time.Time
	waived bool // consent, fatigue and window only record
}

func (c *decider) add(r Rule, v Verdict, status Status, reason Reason) {
	r.Waived = r.Fired && r.Waived
	c.d.Rules = append(c.d.Rules, r)
	if r.Fired && !r.Waived && c.d.Verdict == Go {
		c.d.Verdict, c.d.Status, c.d.Reason = v, status, reason
	}
}

// Decide tells what becomes of the message that is due for s. It depends on nothing but its arguments.
func Decide(s *State, f Facts, p Policy, now time.Time) Decision {
	c := &decider{d: Decision{Version: DecisionVersion, Verdict: Go}, s: s, f: f, p: &p, now: now, waived: p.waives(&s.Send)}
	send := &s.Send
	if send.Kind == OptOut { // the confirmation of a STOP is owed
		return c.d
	}
	if f.Duplicate != "" {
		c.add(Rule{Name: "duplicate", Fired: true, Saw: saw("send", f.Duplicate)}, Stop, Suppressed, ReasonDuplicate)
	}
	c.consent()
	scope, reason := s.suppressed(f.Elsewhere)
	stopped := scope != "" && (scope != ScopeChannel || conversational(send.Kind))
	r := Rule{Name: "suppression", Fired: stopped}
	if stopped {
		r.Saw = map[string]any{"scope": scope, "reason": StopReason(reason)}
	}
	c.add(r, Stop, Suppressed, ReasonOptedOut)
	c.add(Rule{Name: "expiry", Fired: !now.Before(send.ExpiresAt), Saw: saw("expires_at", send.ExpiresAt)}, Stop, Expired, ReasonExpired)
	if conversational(send.Kind) {
		c.session()
		if heard := send.Thread.heardAt(); !heard.IsZero() && now.Sub(heard) >= prompt {
			c.window() // a running conversation is not held back by the clock; this one stood still
		}
		return c.d
	}
	r = Rule{Name: "channel", Fired: scope == ScopeChannel}
	if r.Fired {
		r.Saw = saw("reason", StopReason(reason))
	}
	c.add(r, Skip, Suppressed, ReasonOptedOut)
	c.reach()
	c.session()
	if s.starts() {
		c.fatigue()
	}
	c.window()
	return c.d
}

func saw(name string, v any) map[string]any { return map[string]any{name: v} }

// consent holds the basis of the send against the policy. A conversation that the person has begun needs no new consent, but
// ends with a withdrawn one.
func (c *decider) consent() {
	p, have := c.p.Consent, c.s.Send.Consent
	if have == nil {
		if p.Required && !conversational(c.s.Send.Kind) {
			c.add(Rule{Name: "consent", Fired: true, Waived: c.waived, Saw: saw("basis", "")}, Stop, Suppressed, ReasonNoConsent)
		}
		return
	}
	basis := have.Basis
	if !slices.Contains(p.Bases, basis) { // those are the operator's words
		who := &c.s.Send.Recipient
		basis = Code(basis, []string{who.Name, who.ExternalID, who.Email, who.Phone, who.ViberID})
	}
	r := Rule{Name: "consent", Saw: saw("basis", basis)}
	if have.Basis == BasisWithdrawn || have.Basis == BasisObjected {
		r.Fired = true
		c.add(r, Stop, Suppressed, ReasonNoConsent)
		return
	}
	if conversational(c.s.Send.Kind) {
		return
	}
	if !anyOf(p.Bases, have.Basis) {
		r.Fired, r.Saw["allowed"] = true, p.Bases
	}
	if p.MaxAge > 0 {
		r.Saw["max_age"] = p.MaxAge.String()
		if !have.At.IsZero() {
			r.Saw["at"] = have.At
		}
		r.Fired = r.Fired || have.At.IsZero() || c.now.Sub(have.At) > p.MaxAge
	}
	r.Waived = c.waived
	c.add(r, Stop, Suppressed, ReasonNoConsent)
}

// reach passes over an address that reached nobody a short while ago.
func (c *decider) reach() {
	ch, address := c.s.Target()
	for _, sup := range c.s.Suppressions {
		if sup.Scope != ScopeUnreachable || sup.Channel != ch || sup.Address != address {
			continue
		}
		pass, ok := c.p.Reach[ch]
		fired := ok && (pass == Forever || c.now.Sub(sup.At) < pass)
		c.add(Rule{Name: "reach", Fired: fired, Saw: map[string]any{"at": sup.At, "reason": StopReason(sup.Reason)}}, Skip, Suppressed, ReasonUnreachable)
		return
	}
}

// session holds what Viber allows.
func (c *decider) session() {
	p, f := c.p.Viber, c.f.Session
	if ch, _ := c.s.Target(); ch != Viber || p == (SessionPolicy{}) {
		return
	}
	verdict := Skip
	if conversational(c.s.Send.Kind) {
		verdict = Stop // there is no other step
	}
	open := !f.HeardAt.IsZero() && c.now.Before(f.HeardAt.Add(p.Window))
	r := Rule{Name: "session", Saw: map[string]any{"open": open, "unanswered": f.Unanswered, "said": f.Said}}
	reason := ReasonSessionLimit
	switch {
	case p.Unanswered > 0 && f.Unanswered >= p.Unanswered, p.Total > 0 && open && f.Said >= p.Total:
		r.Fired = true
	case p.SessionOnly && !open:
		r.Fired, reason = true, ReasonSessionClosed
	}
	c.add(r, verdict, Suppressed, reason)
}

// fatigue holds what is known of the person against the survey that is asked.
func (c *decider) fatigue() {
	send := &c.s.Send
	asks, _ := send.Asks()
	t := c.p.fatigue(send, asks, c.f.Past, c.now)
	verdict, status, instead := Stop, Suppressed, ""
	switch {
	case t.reason == "" || t.blocked == "" || t.blocked == BlockedDrop:
	case t.blocked == BlockedDelay:
		if t.free.Before(send.ExpiresAt) {
			verdict, status = Hold, Scheduled
		}
	case send.Thread.Survey != "": // swapped before
	default:
		if other := c.p.Swap[asks]; other != "" && other != asks && c.free(other) {
			verdict, instead = Swap, other
		}
	}
	decided := c.d.Verdict != Go
	for _, r := range t.rules {
		r.Waived = c.waived
		c.add(r, verdict, status, t.reason)
	}
	if decided || c.d.Verdict == Go {
		return
	}
	switch verdict {
	case Hold:
		c.d.Until = t.free
	case Swap:
		c.d.Status, c.d.Instead = "", instead
	default:
	}
}

// free reports whether a survey may be asked in the place of the send's own.
func (c *decider) free(asks string) bool {
	for _, sup := range c.s.Suppressions {
		if sup.Scope == ScopeSurvey && sup.Subject == asks {
			return false
		}
	}
	return c.p.fatigue(&c.s.Send, asks, c.f.Past, c.now).reason == ""
}

// window holds the message until the recipient's day begins.
func (c *decider) window() {
	send := &c.s.Send
	if !c.p.hours() {
		return
	}
	open, saw := c.p.opens(send.Recipient, c.now)
	held := c.d.Verdict == Hold // by fatigue
	c.add(Rule{Name: "window", Fired: open.After(c.now), Waived: c.waived, Saw: saw}, Hold, Scheduled, ReasonWindow)
	if c.d.Verdict != Hold {
		return
	}
	if held { // it is to be day when the person is free, too
		open, _ = c.p.opens(send.Recipient, c.d.Until)
	}
	c.d.Until = open
	if open.After(send.ExpiresAt) { // and there it is closed
		c.d.Until = send.ExpiresAt
	}
}

// suppressed gives the widest scope that keeps the due message back, "" when none does. An address that is unreachable is not
// suppressed: Policy.Reach says for how long it is passed over.
func (s *State) suppressed(elsewhere []Suppression) (scope, reason string) {
	ch, address := s.Target()
	asks, _ := s.Send.Asks()
	order := []string{ScopeChannel, ScopeSurvey, ScopeBrand, ScopeAll}
	best := -1
	for _, sup := range slices.Concat(s.Suppressions, elsewhere) {
		rank := slices.Index(order, sup.Scope)
		switch sup.Scope {
		case ScopeAll:
		case ScopeBrand:
			if sup.Subject != s.Send.Brand {
				continue
			}
		case ScopeSurvey:
			if sup.Subject != asks {
				continue
			}
		case ScopeUnreachable:
			continue
		default:
			if sup.Channel != ch || sup.Address != address {
				continue
			}
			rank = 0
		}
		if rank > best {
			best, scope, reason = rank, order[rank], sup.Reason
		}
	}
	return scope, reason
}
