package api

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// Limits of an event, in bytes where no other unit is named.
const (
	maxSource = 500
	maxType   = 200
	maxEvents = 100 // of a batch
)

// An eventCall is the body of POST /v1/events and what says how to read it.
type eventCall struct {
	kind    string // media type
	key     auth.Key
	headers map[string]string // ce-… of the binary mode, without ce-; nil in other modes
	src     string
}

// An eventDraft is what a body says before it is looked at as a whole.
type eventDraft struct {
	who           draft // its recipient
	event         survey.TransactionEvent
	transactionID string
	locale        string
	binary        bool // its id, type, source and specversion are headers
	cloud         bool // the members below count
	version       string
	subject       *eventDraft // of the data, nil when there is none
	base          string      // pointer of the object
	unread        bool        // there is no object; the fault is noted
}

// events reads a call. Its error is a survey.InvalidError with every fault.
func (d *sendDecoder) events(call eventCall, now time.Time) ([]survey.TransactionEvent, error) {
	r := d.readers.take(call.src)
	defer d.readers.give(r)
	var drafts []*eventDraft
	switch {
	case call.kind == mediaCloudEvents:
		drafts = d.cloudBatch(r)
	case call.kind == mediaCloudEvent:
		drafts = append(drafts, d.cloudEvent(r))
	case call.headers != nil:
		drafts = append(drafts, d.binaryEvent(r, call.headers))
	default:
		drafts = append(drafts, d.plainEvent(r))
	}
	r.end()
	if r.fault == nil {
		for _, b := range drafts {
			b.settle(r, now)
		}
	}
	if errs, _ := r.err(); errs != nil {
		return nil, errs
	}
	events := make([]survey.TransactionEvent, len(drafts))
	for i, b := range drafts {
		b.event.Mode, b.event.Actor = call.key.Mode, call.key.ID
		events[i] = b.event
	}
	return events, nil
}

// open enters the object of an event; false, and a fault, when there is none.
func open(r *reader) bool {
	before := len(r.errs)
	if r.begin() {
		return true
	}
	if r.fault == nil && len(r.errs) == before {
		r.wrong(web.CodeWrongType, "is null; it has to be an object")
	}
	return false
}

// plainEvent reads the members that are ours.
func (d *sendDecoder) plainEvent(r *reader) *eventDraft {
	b := &eventDraft{unread: !open(r)}
	if b.unread {
		return b
	}
	t := &b.event.Transaction
	for r.more() {
		switch name := r.name(); name {
		case "id":
			b.event.ID = r.text(maxID)
		case "type":
			t.Type = r.text(maxType)
		case "touchpoint":
			t.Touchpoint = r.text(maxWord)
		case "occurred_at":
			t.OccurredAt = r.time()
		case "recipient":
			d.recipient(r, &b.who)
		case "attributes":
			t.Attributes = attributes(r)
		case "transaction_id":
			b.transactionID = r.text(maxID)
		case "consent":
			b.event.Consent = consent(r)
		case "locale":
			b.locale = d.readLocale(r)
		default:
			r.unknown(name, "id", "type", "touchpoint", "occurred_at", "recipient", "attributes", "transaction_id", "consent", "locale")
		}
	}
	b.base = r.here()
	b.event.Recipient = b.who.send.Recipient
	return b
}

// cloudBatch reads an array of CloudEvents.
func (d *sendDecoder) cloudBatch(r *reader) []*eventDraft {
	var drafts []*eventDraft
	before := len(r.errs)
	if !r.beginList() {
		if r.fault == nil && len(r.errs) == before {
			r.wrong(web.CodeWrongType, "is null; it has to be an array of CloudEvents")
		}
		return nil
	}
	for r.more() {
		drafts = append(drafts, d.cloudEvent(r))
	}
	switch {
	case r.fault != nil:
	case len(drafts) == 0:
		r.wrongAt("", web.CodeEmptyBatch, "the batch has no events in it")
	case len(drafts) > maxEvents:
		r.wrongAt("", web.CodeTooMany, fmt.Sprintf("has %d events; at most %d are allowed", len(drafts), maxEvents))
	}
	return drafts
}

// cloudEvent reads a CloudEvent in structured mode. Extensions are passed over.
//
// Source: CloudEvents 1.0.2, sections 3 and 5, and its JSON format 1.0.2.
func (d *sendDecoder) cloudEvent(r *reader) *eventDraft {
	b := &eventDraft{cloud: true, unread: !open(r)}
	if b.unread {
		return b
	}
	for r.more() {
		switch name := r.name(); name {
		case "specversion":
			b.version = r.text(maxWord)
		case "id":
			b.event.ID = r.text(maxID)
		case "source":
			b.event.Source = r.text(maxSource)
		case "type":
			b.event.Transaction.Type = r.text(maxType)
		case "time":
			b.event.Transaction.OccurredAt = r.time()
		case "datacontenttype":
			contentType(r, r.text(maxID))
		case "data":
			b.subject = d.plainEvent(r)
		case "data_base64":
			b.subject = d.encodedEvent(r)
		default:
			if !extension(name) {
				r.unknown(name, "specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data", "data_base64")
				continue
			}
			r.value()
		}
	}
	b.base = r.here()
	return b
}

func contentType(r *reader, given string) {
	kind, _, _ := strings.Cut(lower(given), ";")
	if kind = strings.TrimSpace(kind); kind != "" && kind != mediaJSON && !strings.HasSuffix(kind, "+json") {
		r.wrong(web.CodeInvalidValue, strconv.Quote(clip(given))+" is not read here; data has to be application/json")
	}
}

// extension tells whether a name may be one of an extension attribute, or of one that we do not need.
func extension(name string) bool {
	return name != "" && len(name) <= 20 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// encodedEvent reads data that is JSON in base64.
func (d *sendDecoder) encodedEvent(r *reader) *eventDraft {
	encoded, here := r.text(web.MaxBody), r.here()
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		r.wrong(web.CodeInvalidValue, "is not base64 (RFC 4648, section 4)")
		return &eventDraft{unread: true}
	}
	inner := d.readers.take(string(text))
	defer d.readers.give(inner)
	b := d.plainEvent(inner)
	inner.end()
	errs, _ := inner.err()
	for _, e := range errs {
		r.wrongAt(here+e.Pointer, e.Code, e.Detail)
	}
	for _, p := range inner.meant {
		r.meant = append(r.meant, here+p)
	}
	b.base = here
	return b
}

// binaryEvent reads a CloudEvent whose attributes are headers; the body is its data.
//
// Source: CloudEvents HTTP protocol binding 1.0.2, section 3.1.
func (d *sendDecoder) binaryEvent(r *reader, headers map[string]string) *eventDraft {
	b := &eventDraft{cloud: true, binary: true, subject: d.plainEvent(r)}
	attribute := func(name string, limit int) string {
		v, err := url.PathUnescape(headers[name])
		switch {
		case err != nil:
			r.wrongAt("", web.CodeInvalidValue, "the header ce-"+name+" is not percent-encoded right")
		case len(v) > limit:
			r.wrongAt("", web.CodeTooLong, fmt.Sprintf("the header ce-%s has %d bytes; at most %d are allowed", name, len(v), limit))
		case strings.ContainsFunc(v, func(c rune) bool { return control(c, false) }) || strings.ToValidUTF8(v, "") != v:
			r.wrongAt("", web.CodeInvalidValue, "the header ce-"+name+" holds a control character, or is not UTF-8")
		default:
			return v
		}
		return ""
	}
	b.version, b.event.ID, b.event.Source = attribute("specversion", maxWord), attribute("id", maxID), attribute("source", maxSource)
	b.event.Transaction.Type = attribute("type", maxType)
	if at := attribute("time", maxWord); at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil || t.Year() < 1970 || t.Year() > 2200 {
			r.wrongAt("", web.CodeInvalidTime, "the header ce-time is no time of RFC 3339; write it like 2026-11-20T14:03:00Z")
		}
		b.event.Transaction.OccurredAt = t.UTC().Truncate(time.Microsecond)
	}
	return b
}

// settle looks at an event as a whole and gives it the form in which rules see it.
func (b *eventDraft) settle(r *reader, now time.Time) {
	if b.unread {
		return
	}
	if b.cloud {
		b.unwrap(r)
	}
	e := &b.event
	data := b.base
	if b.cloud && b.subject != nil {
		data = b.subject.base
	}
	if e.ID == "" {
		b.missing(r, "id", "say which event it is; the same id is the same event, however often it is sent")
	}
	if e.Transaction.Type == "" {
		b.missing(r, "type", "say what happened, such as order.delivered; trigger rules are chosen by it")
	}
	if e.Recipient == (survey.Recipient{}) && (!b.cloud || b.subject != nil && !b.subject.unread) && !inside(r, data+"/recipient") {
		(&eventDraft{base: data}).missing(r, "recipient", "say to whom it happened: email, phone or viber_id")
	}
	if e.Transaction.OccurredAt.After(now.Add(maxDelay)) {
		r.wrongAt(data+"/occurred_at", web.CodeInvalidTime, "is more than 365 days away")
	}
	if e.Transaction.ID = b.transactionID; e.Transaction.ID == "" {
		e.Transaction.ID = e.ID
	}
	if e.Recipient.Locale == "" {
		e.Recipient.Locale = b.locale
	}
}

// missing notes that a member is not there, unless it was found wrong or misspelt.
func (b *eventDraft) missing(r *reader, name, detail string) {
	switch {
	case b.binary:
		r.wrongAt("", web.CodeMissingMember, "the header ce-"+name+" is missing: "+detail)
	case !blamed(r, b.base+"/"+name):
		r.wrongAt(b.base+"/"+name, web.CodeMissingMember, detail)
	}
}

// inside tells whether something below a pointer was found wrong.
func inside(r *reader, pointer string) bool {
	return slices.ContainsFunc(r.errs, func(e survey.FieldError) bool { return strings.HasPrefix(e.Pointer, pointer+"/") })
}

// unwrap takes the data of a CloudEvent into it.
func (b *eventDraft) unwrap(r *reader) {
	switch b.version {
	case "1.0":
	case "":
		b.missing(r, "specversion", "a CloudEvent says 1.0; for plain JSON send «Content-Type: application/json» without ce-… headers")
	default:
		r.wrongAt(b.base+"/specversion", web.CodeInvalidValue, strconv.Quote(clip(b.version))+" is not read here; there is 1.0")
	}
	if b.event.Source == "" {
		b.missing(r, "source", "a CloudEvent says who sends it")
	}
	data := b.subject
	if data == nil {
		b.missing(r, "data", "an object with recipient and attributes, as the plain event has them")
		return
	}
	for _, pair := range [...]struct{ name, outer, inner string }{
		{"id", b.event.ID, data.event.ID}, {"type", b.event.Transaction.Type, data.event.Transaction.Type},
	} {
		if pair.inner != "" && pair.inner != pair.outer && pair.outer != "" {
			r.wrongAt(data.base+"/"+pair.name, web.CodeInvalidValue, "differs from the "+pair.name+" of the CloudEvent; leave it out here")
		}
	}
	id, source, kind, at := b.event.ID, b.event.Source, b.event.Transaction.Type, b.event.Transaction.OccurredAt
	b.event, b.transactionID, b.locale = data.event, data.transactionID, data.locale
	b.event.ID, b.event.Source, b.event.Transaction.Type = id, source, kind
	if b.event.Transaction.OccurredAt.IsZero() {
		b.event.Transaction.OccurredAt = at
	}
}
