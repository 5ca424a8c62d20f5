package survey

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"
)

// A TransactionEvent tells that something happened to a customer. Trigger rules decide which sends follow.
type TransactionEvent struct {
	ID          string      // the caller's own; the same event twice makes the same sends
	Source      string      // who says so, "" when the caller did not tell
	Transaction Transaction // ID and Type are set; a zero OccurredAt is the present
	Recipient   Recipient   // in the form of a send's; it may have no address at all
	Consent     *Consent    // nil when the caller did not tell
	Mode        Mode
	Actor       string // id of the API key or name of the shop
}

// A Trigger is a rule: which transaction events make which send. The zero value never fires.
type Trigger struct {
	ID         string
	Types      []string      // exact, or a prefix and «*», as in order.*
	Where      []Condition   // all have to hold
	Touchpoint string        // of the send; "" = as the event says
	Survey     string        //
	Channels   []Channel     // to try, in this order; nil = any
	Delay      time.Duration // from the event to the invitation
	Expires    time.Duration // from when it is due; 0 = 7 days
	Sample     float64       // share of the transactions that are asked about: 1 = all, 0 = none
	Cap        DailyCap
	Mode       Mode // Test makes test sends only; "" = as the event
}

// A DailyCap is how many sends a trigger may make for one day and one value of an attribute. The zero value is no cap.
type DailyCap struct {
	N   int
	Per string // name of an attribute, such as store; "" = one cap for all
}

// Why a trigger rule made no send, beside ReasonNoAddress, ReasonNoSender and ReasonExpired. docs/triggers.md has
// the table.
const (
	SkipCondition  Reason = "condition"   // a condition does not hold
	SkipSample     Reason = "sampled_out" // the transaction is not in the sample
	SkipDailyCap   Reason = "daily_cap"   // the day's places of this location are taken
	SkipSameSurvey Reason = "same_survey" // an earlier rule asks the same about the same transaction
)

// A Firing is what one rule says to one event of its types: a send, or why there is none.
type Firing struct {
	Trigger Trigger
	Skipped Reason         // "" = it fires
	Saw     map[string]any // what the decision was made of
	Send    Send           // planned and without an id; Fire leaves it empty
}

// defaultExpiry is how long an invitation of a trigger may be late.
const defaultExpiry = 7 * 24 * time.Hour

// Fire holds an event against rules, in their order. Rules of other types of event are passed over without a word.
func Fire(triggers []Trigger, e TransactionEvent) []Firing {
	var fired []Firing
	asked := make(map[string]string) // survey and mode → the rule that asks
	for _, t := range triggers {
		if !slices.ContainsFunc(t.Types, func(pattern string) bool { return matches(pattern, e.Transaction.Type) }) {
			continue
		}
		f := Firing{Trigger: t}
		key := t.Survey + " " + string(t.mode(e))
		for _, c := range t.Where {
			if value, given := e.Transaction.Attributes[c.Attribute]; !c.Holds(value, given) {
				f.Skipped, f.Saw = SkipCondition, c.saw(value, given)
				break
			}
		}
		if share := drawn(t.ID, e.Transaction.ID); f.Skipped == "" && share >= t.Sample {
			f.Skipped, f.Saw = SkipSample, map[string]any{"sample": t.Sample, "drawn": share}
		}
		if by, taken := asked[key]; f.Skipped == "" && taken {
			f.Skipped, f.Saw = SkipSameSurvey, map[string]any{"trigger": by}
		}
		if f.Skipped == "" {
			asked[key] = t.ID
		}
		fired = append(fired, f)
	}
	return fired
}

// matches tells whether a type of event is meant by a pattern.
func matches(pattern, kind string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(kind, prefix)
	}
	return pattern == kind
}

// drawn is a number from 0 up to but not 1, the same each time for one transaction and evenly spread over many.
func drawn(trigger, transaction string) float64 {
	sum := sha256.Sum256([]byte(trigger + "\x00" + transaction))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// mode is Test when either says so: a rule never makes a live send of a test event (law 11).
func (t Trigger) mode(e TransactionEvent) Mode {
	if t.Mode == Test || e.Mode != Live {
		return Test
	}
	return Live
}

// Send makes the send of a rule that fires; a planner has still to plan it. The delay runs from when it happened,
// and so does the expiry: what is told late is asked at once, or, when it is too late, not at all (law 10): then
// ExpiresAt is not after now.
func (t Trigger) Send(e TransactionEvent, sv Survey, now time.Time) Send {
	s := Send{
		Mode: t.mode(e), Survey: t.Survey, Brand: sv.Brand, Recipient: e.Recipient, Transaction: e.Transaction, Consent: e.Consent,
		Actor: e.Actor, Kind: Invitation, Status: Accepted, CreatedAt: now, UpdatedAt: now,
		Locale: cmp.Or(e.Recipient.Locale, sv.DefaultLocale),
	}
	s.Transaction.Touchpoint = cmp.Or(t.Touchpoint, e.Transaction.Touchpoint)
	s.Transaction.Attributes = maps.Clone(e.Transaction.Attributes)
	s.ContactID = ContactID(s.Mode, s.Recipient)
	s.DueAt = e.Transaction.OccurredAt
	if s.DueAt.IsZero() {
		s.DueAt = now
	}
	s.DueAt = s.DueAt.Add(t.Delay)
	s.ExpiresAt = s.DueAt.Add(cmp.Or(t.Expires, defaultExpiry))
	if s.DueAt.After(now) {
		s.Status = Scheduled
	} else {
		s.DueAt = now
	}
	return s
}

// A Place is what a send takes of a daily cap.
type Place struct {
	Trigger string
	Mode    Mode
	Per     string // value of the cap's attribute
	Day     string // local to the brand, such as 2026-11-22
	Key     string // of the transaction and the contact: whoever has a place keeps it
	N       int    // places that there are
}

// Place gives what a send of this rule takes of the daily cap; ok is false when there is none. The day is that on
// which the send is due. A nil zone is UTC.
func (t Trigger) Place(s Send, zone *time.Location) (p Place, ok bool) {
	if t.Cap.N <= 0 {
		return Place{}, false
	}
	if zone == nil {
		zone = time.UTC
	}
	p = Place{Trigger: t.ID, Mode: s.Mode, Day: s.DueAt.In(zone).Format(time.DateOnly), Key: s.Transaction.ID + " " + s.ContactID, N: t.Cap.N}
	if t.Cap.Per != "" {
		p.Per = s.Transaction.Attributes[t.Cap.Per]
	}
	return p, true
}
