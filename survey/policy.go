package survey

import (
	"math"
	"slices"
	"time"
)

// A Policy is what the rules are held against. The zero value holds nothing back.
type Policy struct {
	Window       Window                  // of each day that Days does not name; the zero value is the whole day
	Days         map[time.Weekday]Window // hours of single days of the week; the zero Window is a closed day
	OpenHolidays bool                    // public holidays are days like others
	Zone         *time.Location          // of the brand, for recipients whose own is not known; nil = UTC
	Atlas        *Atlas                  // zones of phones, holidays and legal hours; nil = none is known

	Fatigue Fatigue
	Rules   []FatigueRule     // the first that matches a send holds in the place of Fatigue
	Swap    map[string]string // by survey: the shorter one that is asked when Blocked says BlockedSwap

	Consent ConsentPolicy
	Reach   map[Channel]time.Duration // how long an address that reached nobody is passed over; absent = not at all
	Viber   SessionPolicy

	TestToo bool // consent, fatigue and window hold test sends back as well
}

// Forever is a time in Policy.Reach that does not end.
const Forever = time.Duration(math.MaxInt64)

// A ConsentPolicy says who may be asked at all. The zero value asks everybody who has not withdrawn.
type ConsentPolicy struct {
	Required bool          // a send without consent is not made
	Bases    []string      // the ones that count; empty = any
	MaxAge   time.Duration // of a consent when it is used; 0 = any, otherwise one without a time is too old
}

// A SessionPolicy is what Viber allows between a sender and a person. A zero member is no limit.
//
// Source: https://developers.viber.com/docs/all/#session-messages
type SessionPolicy struct {
	Unanswered  int           // messages without an answer in between
	Total       int           // messages in one session
	Window      time.Duration // how long a session lasts after the person's last word
	SessionOnly bool          // nothing is sent outside of a session
}

// A Cooldown is for how long a person is left alone.
type Cooldown struct {
	Any  time.Duration // by every survey; 0 = not at all
	Same time.Duration // by the same survey; 0 = not at all
}

// A Cap is at most N invitations of a person in any period of Per, over all channels.
type Cap struct {
	N           int
	Per         time.Duration     // the period that ends now
	Touchpoints []string          // the invitations that it counts and the sends that it holds back; empty = all
	Where       map[string]string // attributes of the sends that it holds back, all of them; it counts the others too
}

// Fatigue is how often a person may be invited. The zero value does not limit it.
type Fatigue struct {
	AfterInvite   Cooldown // since the last invitation or reminder
	AfterResponse Cooldown // since the last answer
	Caps          []Cap    // all hold at once
	Blocked       Blocked  // "" = BlockedDrop
}

// Blocked says what becomes of a send that fatigue holds back.
type Blocked string

// What Blocked may say.
const (
	BlockedDrop  Blocked = "drop"  // it ends
	BlockedDelay Blocked = "delay" // it waits until the person is free, or ends when that is after its expiry
	BlockedSwap  Blocked = "swap"  // Policy.Swap's survey is asked instead, if that one is free; else it ends
)

// A FatigueRule replaces the fatigue of a policy for the sends that it matches: members that are empty match all, of a list
// one must match, of Where all must.
type FatigueRule struct {
	Surveys     []string
	Touchpoints []string
	Types       []string // of the transaction
	Where       map[string]string

	Exempt  bool     // nothing holds them back
	Fatigue *Fatigue // nil = the policy's own
	Blocked Blocked  // "" = as Fatigue says
}

// matches reports whether the rule is about a send that asks a survey.
func (r FatigueRule) matches(send *Send, asks string) bool {
	x := &send.Transaction
	return anyOf(r.Surveys, asks) && anyOf(r.Touchpoints, x.Touchpoint) && anyOf(r.Types, x.Type) && allOf(r.Where, x.Attributes)
}

func anyOf(wanted []string, got string) bool { return len(wanted) == 0 || slices.Contains(wanted, got) }

func allOf(wanted, got map[string]string) bool {
	for k, v := range wanted {
		if have, ok := got[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// fatigueOf is the fatigue that holds for a send which asks a survey, and the number of its rule from 1, 0 for none.
func (p *Policy) fatigueOf(send *Send, asks string) (f Fatigue, rule int) {
	for i, r := range p.Rules {
		if !r.matches(send, asks) {
			continue
		}
		if r.Exempt {
			return Fatigue{}, i + 1
		}
		f = p.Fatigue
		if r.Fatigue != nil {
			f = *r.Fatigue
		}
		if r.Blocked != "" {
			f.Blocked = r.Blocked
		}
		return f, i + 1
	}
	return p.Fatigue, 0
}

// waives reports whether consent, fatigue and window are only recorded for a send.
func (p *Policy) waives(send *Send) bool { return send.Mode == Test && !p.TestToo }

// starts reports whether the message that is due would be the first of its send that reaches a provider: what comes after it belongs to
// the same invitation.
func (s *State) starts() bool {
	if s.Send.Kind != Invitation {
		return false
	}
	for _, a := range s.Attempts {
		if !conversational(a.Kind) && a.Status != AttemptFailed {
			return false
		}
	}
	return true
}

// Tires reports whether Decide would hold the person's earlier sends against s: then no other send to the same person may
// be decided at the same time.
func (p Policy) Tires(s *State) bool {
	if !s.starts() || p.waives(&s.Send) {
		return false
	}
	asks, _ := s.Send.Asks()
	f, _ := p.fatigueOf(&s.Send, asks)
	if f.AfterInvite != (Cooldown{}) || f.AfterResponse != (Cooldown{}) {
		return true
	}
	return slices.ContainsFunc(f.Caps, func(c Cap) bool { return c.holds(&s.Send) })
}

// Longest is how far back fatigue looks.
func (p Policy) Longest() time.Duration {
	longest := p.Fatigue.longest()
	for _, r := range p.Rules {
		if r.Fatigue != nil {
			longest = max(longest, r.Fatigue.longest())
		}
	}
	return longest
}

func (f Fatigue) longest() time.Duration {
	d := max(f.AfterInvite.Any, f.AfterInvite.Same, f.AfterResponse.Any, f.AfterResponse.Same)
	for _, c := range f.Caps {
		d = max(d, c.Per)
	}
	return d
}

// holds reports whether the cap holds a send back.
func (c Cap) holds(send *Send) bool {
	return c.N > 0 && c.Per > 0 && anyOf(c.Touchpoints, send.Transaction.Touchpoint) && allOf(c.Where, send.Transaction.Attributes)
}
