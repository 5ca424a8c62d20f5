package survey

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The kinds of ids that name a person.
const (
	ByExternalID = "external_id"
	ByEmail      = "email"
	ByPhone      = "phone"
	ByViberID    = "viber_id"
)

// IdentityKinds lists them, the surest first.
func IdentityKinds() []string { return []string{ByExternalID, ByEmail, ByPhone, ByViberID} }

// The bases of a consent that take it back: whoever gives one is asked nothing more.
const (
	BasisWithdrawn = "withdrawn"
	BasisObjected  = "objected"
)

// Withdraws reports whether a basis of consent takes consent back.
func Withdraws(basis string) bool { return basis == BasisWithdrawn || basis == BasisObjected }

// ReasonErased ends the sends of a person whose data was erased.
const ReasonErased Reason = "erased"

// The types of events of a contact.
const (
	ContactMerged     = "contact.merged"
	ContactConsent    = "contact.consent_recorded"
	ContactSuppressed = "contact.suppressed"
	ContactLifted     = "contact.suppression_lifted"
	ContactErased     = "contact.erased"
)

// An Identity is one id of a person.
type Identity struct {
	Kind  string `json:"kind"`
	Value string `json:"value"` // as sends keep it
}

// Identities lists the ids that a recipient was named by, the surest first.
func (r Recipient) Identities() []Identity {
	all := []Identity{{ByExternalID, r.ExternalID}, {ByEmail, r.Email}, {ByPhone, r.Phone}, {ByViberID, r.ViberID}}
	return slices.DeleteFunc(all, func(x Identity) bool { return x.Value == "" })
}

// Same is the form in which values of a kind are kept and compared.
func (x Identity) Same() string { return Canonical(x.Channel(), x.Value) }

// Canonical is the form in which an address of a channel is kept and compared: an email in lower case.
//
// Source: RFC 5321, section 2.4, which leaves the letter case before the «@» to each host, and warns of hosts that tell it apart.
func Canonical(c Channel, address string) string {
	if c == Email {
		return strings.ToLower(address)
	}
	return address
}

// Channel is where an id is an address, "" for an external id.
func (x Identity) Channel() Channel {
	switch x.Kind {
	case ByEmail:
		return Email
	case ByPhone:
		return SMS
	case ByViberID:
		return Viber
	default:
		return ""
	}
}

// A Contact is one person with everything that is known to be theirs.
type Contact struct {
	ID         string
	Mode       Mode
	Brand      string // of the last send
	Name       string
	Identities []Identity
	Merged     []string // ids of the contacts that turned out to be this person
	CreatedAt  time.Time
	UpdatedAt  time.Time
	ErasedAt   time.Time // zero: never. Whoever was erased and comes back has what was said since
}

// Addresses lists the values at which messages reach the person.
func (c Contact) Addresses() []string {
	var all []string
	for _, x := range c.Identities {
		if x.Channel() != "" && !slices.Contains(all, x.Value) {
			all = append(all, x.Value)
		}
	}
	return all
}

// A ConsentRecord is one thing that a person said, or was said of them, about being asked.
type ConsentRecord struct {
	Basis      string
	Source     string
	At         time.Time
	Channel    Channel // "" = all
	SendID     string  // that brought it; "" when it came alone
	Actor      string  // API key or user
	RecordedAt time.Time
}

// A ContactEvent is one row of what happened to a contact. Its data has ids and codes only.
type ContactEvent struct {
	ID        string
	ContactID string
	Type      string
	Actor     string
	At        time.Time
	Data      map[string]any
}

// A Reached is a send to a person and what came of it.
type Reached struct {
	Send     Send
	Channel  Channel   // of the last attempt; "" when there was none
	Response *Response // nil: no answer
}

// A Person is a contact with its history.
type Person struct {
	Contact
	Consents     []ConsentRecord // newest first
	Suppressions []Suppression
	Sends        []Reached      // newest first
	Events       []ContactEvent // newest first
}

// A Dossier is everything that is kept about one person.
type Dossier struct {
	Person
	Files   []File    // one for each send, oldest first
	Inbound []Inbound // raw, as providers brought it
	Sandbox []string  // messages of sandbox phones, as JSON
	Made    time.Time // when it was put together
}

// A File is a send with all that belongs to it.
type File struct {
	Send     Send
	Attempts []Attempt
	Events   []Event
	Response *Response
}

// An Erasure tells what was removed; what it does not name stays.
type Erasure struct {
	ContactID    string
	Sends        int // whose recipient is forgotten
	Cancelled    int // of them were still to be sent
	Answers      int // whose words are gone
	Inbound      int // raw requests without a body now
	Messages     int // of sandbox phones
	Suppressions int // that are kept under a keyed hash

	Pending bool // the rest of the inbox is still looked through, and Inbound may grow
}

// A ContactFilter selects people; zero members select all.
type ContactFilter struct {
	Mode     Mode
	Identity Identity // one id of the person; an empty kind is any
	Cursor   string
	Limit    int // 0 = 50
}

// A Candidate is what the rule of merging looks at: a contact that is not merged into another.
type Candidate struct {
	ID        string
	External  bool // it is known by an external id
	CreatedAt time.Time
}

// SamePerson decides what contacts that share an email address, a phone or a Viber id are: one person, whose id is the
// oldest one, or several. Two external ids are two people who share an address, such as a family its phone; and then
// nobody can tell whose the others are. survivor is "" when nothing is merged.
func SamePerson(all []Candidate) (survivor string, merged []string) {
	external := 0
	for _, c := range all {
		if c.External {
			external++
		}
	}
	if external > 1 || len(all) < 2 {
		return "", nil
	}
	order := slices.Clone(all)
	slices.SortFunc(order, func(a, b Candidate) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	for _, c := range order[1:] {
		merged = append(merged, c.ID)
	}
	return order[0].ID, merged
}

// Erase ends a send whose person is to be forgotten, and takes out of it who the person is and what they said: addresses,
// names, words, and what the caller said besides. Ids, scores and times stay, and so does an end that the send has already.
// words are what the person was called and reached by.
func Erase(s *State, actor string, words []string, now time.Time) {
	m := &s.Send
	m.Epoch++ // whoever has it at work has lost it
	s.rest()
	switch {
	case m.Status.Final():
	case m.Status == Answered:
		m.Status = Completed
		s.Record(now, "send.completed", "reason", string(ReasonErased), "actor", actor)
	default:
		s.end(Cancelled, ReasonErased, now, "actor", actor)
	}
	s.Record(now, "send.erased", "actor", actor)
	m.UpdatedAt = now
	m.Recipient = Recipient{Locale: m.Recipient.Locale, Timezone: m.Recipient.Timezone}
	m.Transaction.Attributes, m.Metadata = Forget(m.Transaction.Attributes, words), nil
	if m.Consent != nil {
		m.Consent = &Consent{Basis: Code(m.Consent.Basis, words), At: m.Consent.At}
	}
	m.Thread.Address, m.Thread.Asking = "", ""
	if s.Response == nil {
		return
	}
	for i := range s.Response.Answers {
		s.Response.Answers[i].Text = ""
	}
	s.Response.UpdatedAt = now
}

// Forget gives the facts of a transaction without those that hold one of a person's own words: a name or an address.
func Forget(attributes map[string]string, words []string) map[string]string {
	kept := make(map[string]string, len(attributes))
	for k, v := range attributes {
		if !names(v, words) {
			kept[k] = v
		}
	}
	return kept
}

// names reports whether a text holds one of a person's own words.
func names(text string, words []string) bool {
	low := strings.ToLower(text)
	return slices.ContainsFunc(words, func(w string) bool { return w != "" && strings.Contains(low, strings.ToLower(w)) })
}

// Code gives a word back that a program wrote, such as existing_customer, and "" for any other: it may be in somebody's own words.
// words are those that a person is called and reached by.
func Code(word string, words []string) string {
	plain := func(c rune) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' }
	if strings.ContainsFunc(word, func(c rune) bool { return !plain(c) }) || names(word, words) {
		return ""
	}
	return word
}

// StopReason gives the reason of a suppression back when it is one of ours, and "manual" for one in somebody's own words.
func StopReason(reason string) string {
	switch reason {
	case SaidStop, "unsubscribe_link", "one_click", SaidProvider, "hard_bounce", FaultUnreachable, BasisWithdrawn, BasisObjected:
		return reason
	default:
		return "manual"
	}
}

// ForgetEvent takes what people wrote out of an event of a contact.
func ForgetEvent(e *ContactEvent, words []string) {
	delete(e.Data, "why")
	forgetWords(e.Data, words)
}

// ForgetDecision takes what people wrote out of the decision that an event of a send holds. It reports whether there was any.
func ForgetDecision(e *Event, words []string) (changed bool) {
	d, _ := e.Data["decision"].(map[string]any)
	rules, _ := d["rules"].([]any)
	for _, r := range rules {
		rule, _ := r.(map[string]any)
		saw, _ := rule["saw"].(map[string]any)
		changed = forgetWords(saw, words) || changed
	}
	return changed
}

// forgetWords leaves codes in the place of a basis and a reason.
func forgetWords(data map[string]any, words []string) (changed bool) {
	for name, code := range map[string]func(string) string{
		"basis": func(text string) string { return Code(text, words) }, "reason": StopReason,
	} {
		if text, ok := data[name].(string); ok && code(text) != text {
			data[name], changed = code(text), true
		}
	}
	return changed
}

// minHeld is how many bytes an address has at least for Holds to look for it: a shorter one is part of too many words.
const minHeld = 6

// Holds reports whether raw bytes hold one of a person's addresses, in the ways in which providers write them: plain,
// in a form (percent-encoded), in JSON (escaped), and a phone without its «+» or with 00. An address that is only a
// part of a longer one is not held, nor is one of fewer than 6 bytes.
func Holds(raw []byte, addresses []string) bool {
	text := strings.ToLower(string(raw))
	for _, a := range addresses {
		if a = strings.ToLower(a); len(a) < minHeld {
			continue
		}
		part := ofAddress
		forms := []string{a, strings.NewReplacer("+", "%2b", "@", "%40", "=", "%3d", "/", "%2f").Replace(a)}
		if quoted, err := json.Marshal(a); err == nil {
			forms = append(forms, strings.Trim(string(quoted), `"`))
		}
		if strings.HasPrefix(a, "+") && len(a) > 7 {
			forms, part = append(forms, a[1:], "00"+a[1:]), ofNumber
		}
		if slices.ContainsFunc(forms, func(f string) bool { return stands(text, f, part) }) {
			return true
		}
	}
	return false
}

// stands reports whether a form of an address is somewhere in a text with nothing around it that makes it another address.
func stands(text, form string, part func(byte) bool) bool {
	coded := strings.Contains(form, "%40")
	for from := 0; ; {
		i := strings.Index(text[from:], form)
		if i < 0 {
			return false
		}
		i += from
		before, after := byteBefore(text[:i]), byteAfter(text[i+len(form):])
		blank := coded && i > 0 && text[i-1] == '+' // as forms write it
		if (blank || !part(before)) && !part(after) {
			return true
		}
		from = i + 1
	}
}

func ofNumber(c byte) bool { return '0' <= c && c <= '9' }

func ofAddress(c byte) bool {
	return ofNumber(c) || 'a' <= c && c <= 'z' || c >= 0x80 || strings.IndexByte("._%+-@", c) >= 0
}

// byteBefore gives the last byte of a lower-case text, of an escape the one that it stands for; 0 = none, or white space.
func byteBefore(text string) byte {
	n := len(text)
	for _, e := range [...]struct {
		begin string
		size  int
	}{{"%", 3}, {`\u00`, 6}} {
		if n >= e.size && strings.HasPrefix(text[n-e.size:], e.begin) {
			if v, err := strconv.ParseUint(text[n-2:], 16, 8); err == nil {
				return byte(v)
			}
		}
	}
	switch {
	case n == 0, n > 1 && text[n-2] == '\\' && strings.IndexByte("nrt", text[n-1]) >= 0:
		return 0
	default:
		return text[n-1]
	}
}

// byteAfter gives the first byte of a lower-case text, of an escape the one that it stands for; 0 = none, or the end of a sentence.
func byteAfter(text string) byte {
	if len(text) >= 3 && text[0] == '%' {
		if v, err := strconv.ParseUint(text[1:3], 16, 8); err == nil {
			return byte(v)
		}
	}
	switch {
	case text == "", text[0] == '.' && (len(text) == 1 || !ofAddress(text[1])):
		return 0
	default:
		return text[0]
	}
}
