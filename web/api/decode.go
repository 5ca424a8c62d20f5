package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// Limits of a send, in bytes where no other unit is named.
const (
	maxID         = 200
	maxName       = 200
	maxEmail      = 320 // email says more exactly what is too long
	maxPhone      = 64
	maxViber      = 128
	maxWord       = 100
	maxAttributes = 50 // count
	maxAttribute  = 64
	maxValue      = 500
	maxMetadata   = 4 << 10
	maxDelay      = 365 * 24 * time.Hour
	maxLife       = 400 * 24 * time.Hour
	defaultLife   = 7 * 24 * time.Hour
)

// A Planner decides over which senders a send goes. Plan sets Plan, Lane, Brand and SurveyVersion, and may move
// DueAt, which is when the caller wants it. wish is how the caller wants it to go.
// A fault (such as no_sender at /channels) refuses the send. It is called for many sends at once.
type Planner interface {
	Plan(s *survey.Send, wish survey.Wish) []survey.FieldError
}

// A sendDecoder makes sends of bodies. Safe for concurrent use.
type sendDecoder struct {
	surveys map[string]survey.Survey
	names   []string // of surveys, sorted
	locale  func(string) (string, bool)
	locales []string
	planner Planner
	phones  *phones
	zones   zones
	readers readers
}

// A draft is what a body says before it is looked at as a whole.
type draft struct {
	send    survey.Send
	wish    survey.Wish
	delay   time.Duration
	delayed bool
	sendAt  time.Time
}

// decode reads one send. unreadable says that the body is no JSON at all, else errs are all its faults.
func (d *sendDecoder) decode(src string, mode survey.Mode, actor string, now time.Time) (s survey.Send, errs survey.InvalidError, unreadable bool) {
	r := d.readers.take(src)
	defer d.readers.give(r)
	var b draft
	whole := d.body(r, &b)
	r.end()
	if _, unreadable = r.err(); whole && !unreadable {
		b.send.Mode, b.send.Actor = mode, actor
		d.complete(r, &b, now)
	}
	errs, unreadable = r.err()
	return b.send, errs, unreadable
}

// body reads the members; false when there is no object to have any.
func (d *sendDecoder) body(r *reader, b *draft) bool {
	if !r.begin() {
		if r.fault == nil && len(r.errs) == 0 {
			r.wrongAt("", web.CodeWrongType, "is null; it has to be an object")
		}
		return false
	}
	for r.more() {
		switch name := r.name(); name {
		case "survey":
			b.send.Survey = r.text(maxWord)
			d.survey(r, b.send.Survey)
		case "recipient":
			d.recipient(r, b)
		case "transaction":
			transaction(r, &b.send.Transaction)
		case "channels":
			b.wish.Channels = channelList(r)
		case "plan":
			b.wish.Steps = planSteps(r)
		case "reminders":
			b.wish.Reminders = reminders(r)
		case "delay":
			b.delay, b.delayed = r.duration(maxDelay)
		case "send_at":
			b.sendAt = r.time()
		case "expires_at":
			b.send.ExpiresAt = r.time()
		case "consent":
			b.send.Consent = consent(r)
		case "metadata":
			b.send.Metadata = metadata(r)
		default:
			r.unknown(name, "survey", "recipient", "transaction", "channels", "plan", "reminders", "delay", "send_at", "expires_at", "consent", "metadata")
		}
	}
	return true
}

func (d *sendDecoder) survey(r *reader, id string) {
	if id == "" || r.fault != nil {
		return
	}
	if _, ok := d.surveys[id]; !ok {
		detail := "there is no survey " + strconv.Quote(clip(id))
		if near := survey.Nearest(id, d.names); near != "" {
			detail += "; did you mean " + strconv.Quote(near) + "?"
		} else {
			detail += "; there are " + strings.Join(d.names, ", ")
		}
		r.wrong(web.CodeUnknownSurvey, detail)
	}
}

func (d *sendDecoder) recipient(r *reader, b *draft) {
	if !r.begin() {
		return
	}
	to := &b.send.Recipient
	for r.more() {
		switch name := r.name(); name {
		case "external_id":
			to.ExternalID = r.text(maxID)
		case "name":
			to.Name = strings.TrimSpace(r.text(maxName))
		case "email":
			to.Email = readEmail(r)
		case "phone":
			to.Phone = d.readPhone(r)
		case "viber_id":
			to.ViberID = readViber(r)
		case "locale":
			to.Locale = d.readLocale(r)
		case "timezone":
			to.Timezone = d.readZone(r)
		default:
			r.unknown(name, "external_id", "name", "email", "phone", "viber_id", "locale", "timezone")
		}
	}
}

func readEmail(r *reader) string {
	s := r.text(maxEmail)
	if s == "" {
		return ""
	}
	address, refusal := email(s)
	if refusal != "" {
		r.wrong(web.CodeInvalidEmail, refusal)
	}
	return address
}

func readViber(r *reader) string {
	id := r.text(maxViber)
	if refusal := viberFault(id); refusal != "" {
		r.wrong(web.CodeInvalidValue, refusal)
	}
	return id
}

func (d *sendDecoder) readPhone(r *reader) string {
	s := r.text(maxPhone)
	if s == "" {
		return ""
	}
	number, code, refusal := d.phones.phone(s)
	if code != "" {
		r.wrong(code, refusal)
	}
	return number
}

func (d *sendDecoder) readLocale(r *reader) string {
	s := r.text(maxWord)
	if s == "" {
		return ""
	}
	locale, ok := d.locale(s)
	if !ok {
		r.wrong(web.CodeUnknownLocale, "there are no words in "+strconv.Quote(clip(s))+"; there are "+strings.Join(d.locales, ", "))
	}
	return locale
}

func (d *sendDecoder) readZone(r *reader) string {
	s := r.text(maxWord)
	if s != "" && !d.zones.known(s) {
		r.wrong(web.CodeUnknownTimezone, strconv.Quote(clip(s))+" is no time zone of the IANA database; write it like Europe/Zagreb")
		return ""
	}
	return s
}

func transaction(r *reader, t *survey.Transaction) {
	if !r.begin() {
		return
	}
	for r.more() {
		switch name := r.name(); name {
		case "id":
			t.ID = r.text(maxID)
		case "type":
			t.Type = r.text(maxWord)
		case "touchpoint":
			t.Touchpoint = r.text(maxWord)
		case "occurred_at":
			t.OccurredAt = r.time()
		case "attributes":
			t.Attributes = attributes(r)
		default:
			r.unknown(name, "id", "type", "touchpoint", "occurred_at", "attributes")
		}
	}
}

// attributes keeps strings, numbers as they were written, and booleans as words; null is no attribute.
func attributes(r *reader) map[string]string {
	if !r.begin() {
		return nil
	}
	all := make(map[string]string, 8)
	for r.more() {
		name := r.name()
		if name == "" || len(name) > maxAttribute {
			r.wrong(web.CodeTooLong, fmt.Sprintf("the name of an attribute has from 1 to %d bytes", maxAttribute))
		}
		switch r.json.PeekKind() {
		case '"':
			all[name] = r.lines(maxValue)
		case '0', 't', 'f':
			if raw := r.value(); len(raw) <= maxAttribute {
				all[name] = raw
			} else {
				r.wrong(web.CodeTooLong, fmt.Sprintf("is a number of %d digits; at most %d are allowed", len(raw), maxAttribute))
			}
		default:
			if raw := r.value(); raw != "null" {
				r.wrong(web.CodeWrongType, "is "+kindOf(raw)+"; an attribute is a string, a number or a boolean")
			}
		}
	}
	if len(all) > maxAttributes {
		r.wrong(web.CodeTooMany, fmt.Sprintf("has %d attributes; at most %d are allowed", len(all), maxAttributes))
	}
	return all
}

func channelList(r *reader) []survey.Channel {
	if !r.beginList() {
		return nil
	}
	list, bad := make([]survey.Channel, 0, 3), false
	for r.more() {
		word := r.text(maxWord)
		if r.fault != nil {
			return nil
		}
		switch ch := survey.Channel(word); {
		case ch != survey.Viber && ch != survey.SMS && ch != survey.Email:
			r.wrong(web.CodeUnknownChannel, strconv.Quote(clip(word))+" is no channel; there are viber, sms, email")
			bad = true
		case slices.Contains(list, ch):
			r.wrong(web.CodeUnknownChannel, word+" is there twice; each channel is tried once")
			bad = true
		default:
			list = append(list, ch)
		}
	}
	if len(list) == 0 && !bad && r.fault == nil {
		r.wrong(web.CodeMissingMember, "names no channel; leave it out to let every one be tried")
	}
	return list
}

func consent(r *reader) *survey.Consent {
	if !r.begin() {
		return nil
	}
	c := new(survey.Consent)
	for r.more() {
		switch name := r.name(); name {
		case "basis":
			c.Basis = r.text(maxWord)
		case "source":
			c.Source = r.text(maxID)
		case "at":
			c.At = r.time()
		default:
			r.unknown(name, "basis", "source", "at")
		}
	}
	if c.Basis == "" && r.fault == nil {
		r.wrongAt(r.here()+"/basis", web.CodeMissingMember, "a consent has a basis, such as existing_customer or opt_in")
	}
	return c
}

// metadata keeps an object as it was written; an empty one is none.
func metadata(r *reader) json.RawMessage {
	raw := r.value()
	switch {
	case raw == "null" || raw == "{}":
		return nil
	case raw[0] != '{':
		r.wrong(web.CodeWrongType, "is "+kindOf(raw)+"; it has to be an object")
		return nil
	case len(raw) > maxMetadata:
		r.wrong(web.CodeTooLong, fmt.Sprintf("has %d bytes; at most %d are allowed", len(raw), maxMetadata))
		return nil
	}
	return json.RawMessage(raw)
}

// complete looks at the send as a whole and plans it, if there is any point.
func (d *sendDecoder) complete(r *reader, b *draft, now time.Time) {
	s := &b.send
	if s.Survey == "" && !blamed(r, "/survey") {
		r.wrongAt("/survey", web.CodeMissingMember, "say which survey; there are "+strings.Join(d.names, ", "))
	}
	d.reachable(r, b)
	d.times(r, b, now)
	if len(r.errs) > 0 {
		return
	}
	s.Locale = s.Recipient.Locale
	if s.Locale == "" {
		s.Locale = d.surveys[s.Survey].DefaultLocale
	}
	s.ContactID = survey.ContactID(s.Mode, s.Recipient)
	s.Kind = survey.Invitation
	s.Brand = d.surveys[s.Survey].Brand
	s.CreatedAt, s.UpdatedAt = now, now
	for _, e := range d.planner.Plan(s, b.wish) {
		r.wrongAt(e.Pointer, e.Code, e.Detail)
	}
	s.Status = survey.Accepted
	if s.DueAt.After(now) {
		s.Status = survey.Scheduled
	}
}

// blamed reports whether a member was found wrong or misspelt already, so that it is not called missing too.
func blamed(r *reader, pointer string) bool {
	return slices.Contains(r.meant, pointer) ||
		slices.ContainsFunc(r.errs, func(e survey.FieldError) bool { return e.Pointer == pointer })
}

func (d *sendDecoder) reachable(r *reader, b *draft) {
	to := b.send.Recipient
	if b.wish.Steps != nil {
		if b.wish.Channels != nil {
			r.wrongAt("/channels", web.CodeInvalidPlan, "channels and plan are both given; send one of them")
		}
		return // who plans says which step reaches nobody
	}
	if slices.ContainsFunc(r.errs, func(e survey.FieldError) bool { return strings.HasPrefix(e.Pointer, "/channels/") }) {
		return
	}
	for _, p := range []string{"/channels", "/recipient", "/recipient/email", "/recipient/phone", "/recipient/viber_id"} {
		if blamed(r, p) {
			return // which address is meant is not known
		}
	}
	wanted := b.wish.Channels
	if wanted == nil {
		wanted = survey.SendChannels()
	}
	for _, ch := range wanted {
		if to.Address(ch) != "" {
			return
		}
	}
	detail := "has no address; send email, phone or viber_id"
	if b.wish.Channels != nil {
		words := make([]string, len(wanted))
		for i, ch := range wanted {
			words[i] = string(ch)
		}
		detail = "has no address for any of the channels " + strings.Join(words, ", ") +
			": email needs email, sms needs phone, viber needs viber_id or phone"
	}
	r.wrongAt("/recipient", web.CodeNoAddress, detail)
}

func (d *sendDecoder) times(r *reader, b *draft, now time.Time) {
	s := &b.send
	s.DueAt = now
	switch {
	case b.delayed && !b.sendAt.IsZero():
		r.wrongAt("/delay", web.CodeInvalidTime, "both delay and send_at are given; send one of them")
	case b.delayed:
		s.DueAt = now.Add(b.delay)
	case b.sendAt.After(now.Add(maxDelay)):
		r.wrongAt("/send_at", web.CodeInvalidTime, "is more than 365 days away")
	case b.sendAt.After(now):
		s.DueAt = b.sendAt
	}
	switch {
	case s.ExpiresAt.IsZero():
		s.ExpiresAt = s.DueAt.Add(defaultLife)
	case !s.ExpiresAt.After(now):
		r.wrongAt("/expires_at", web.CodeInvalidTime, "is over: it is "+now.UTC().Format(time.RFC3339)+" here")
	case !s.ExpiresAt.After(s.DueAt):
		r.wrongAt("/expires_at", web.CodeInvalidTime, "is not after the send is due, "+s.DueAt.UTC().Format(time.RFC3339))
	case s.ExpiresAt.After(now.Add(maxLife)):
		r.wrongAt("/expires_at", web.CodeInvalidTime, "is more than 400 days away")
	}
}

// zones remembers which names are time zones; their number is bounded by the database.
type zones struct{ good sync.Map }

func (z *zones) known(name string) bool {
	if _, ok := z.good.Load(name); ok {
		return true
	}
	if name == "Local" || strings.Contains(name, "..") {
		return false
	}
	if _, err := time.LoadLocation(name); err != nil {
		return false
	}
	z.good.Store(strings.Clone(name), struct{}{})
	return true
}
