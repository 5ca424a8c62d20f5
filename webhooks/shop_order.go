package webhooks

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/odziv/odziv/survey"
)

// An order is what every kind of shop tells, in its own form of addresses.
type order struct {
	id         string // with the shop's it is the transaction
	kind       string // type of the event
	at         time.Time
	customer   string // the shop's id of the person, "" of a guest
	name       string
	email      string
	phones     []string // as typed, the best first
	country    string   // ISO 3166
	locale     string   // BCP 47, or what the shop has in its place
	test       bool
	attributes map[string]string
	extra      map[string]string // of the shop's own; they never replace the others
}

// Limits of what an order may hold, those of POST /v1/events.
const (
	maxShopID         = 150 // bytes; with the shop's before it a transaction has 200
	maxShopValue      = 500 // bytes
	maxShopName       = 64  // bytes, of an attribute
	maxShopAttributes = 50
)

// event makes the transaction event of a notice: addresses in the form that sends have, or none when they are no good.
func (s *Shops) event(call shopCall, n *notice) survey.TransactionEvent {
	o := n.order
	country := strings.ToUpper(cmp.Or(o.country, call.shop.Country))
	e := survey.TransactionEvent{
		ID: n.key, Source: call.shop.Kind + ":" + call.id, Actor: "shop:" + call.id, Mode: survey.Live,
		Recipient: survey.Recipient{
			Name: clipTo(strings.TrimSpace(o.name), 200), Email: shopEmail(o.email), Locale: s.locale(o.locale, country),
		},
		Transaction: survey.Transaction{ID: call.id + ":" + o.id, Type: o.kind, OccurredAt: o.at, Attributes: map[string]string{}},
	}
	if o.test || call.shop.Mode != survey.Live {
		e.Mode = survey.Test
	}
	if o.customer != "" && len(o.customer) <= maxShopID {
		e.Recipient.ExternalID = call.id + ":" + o.customer
	}
	for _, p := range o.phones {
		if e.Recipient.Phone == "" {
			e.Recipient.Phone = shopPhone(p, country)
		}
	}
	if e.Transaction.OccurredAt.IsZero() || e.Transaction.OccurredAt.After(call.now) {
		e.Transaction.OccurredAt = call.now.UTC().Truncate(time.Microsecond)
	}
	e.Consent = &survey.Consent{Basis: "existing_customer", Source: e.Source, At: e.Transaction.OccurredAt}
	fill(e.Transaction.Attributes, map[string]string{"shop": call.id, "country": country})
	fill(e.Transaction.Attributes, o.attributes)
	fill(e.Transaction.Attributes, o.extra)
	return e
}

// fill adds what is not there and not empty, within the limits.
func fill(to, from map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		value := clipTo(strings.TrimSpace(from[name]), maxShopValue)
		if _, there := to[name]; there || value == "" || name == "" || len(name) > maxShopName || len(to) >= maxShopAttributes {
			continue
		}
		to[name] = value
	}
}

// locale is that of the order, else the one that most people of the country read, else "".
func (s *Shops) locale(given, country string) string {
	for _, tag := range []string{given, spoken(country)} {
		if locale, ok := s.Locale(tag); tag != "" && ok {
			return locale
		}
	}
	return ""
}

func spoken(country string) string {
	switch country {
	case "HR", "BA":
		return "hr"
	case "RS", "ME":
		return "sr"
	case "SI":
		return "sl"
	case "PL":
		return "pl"
	case "IR", "AF":
		return "fa"
	case "GB", "IE", "US", "CA", "AU", "NZ":
		return "en"
	default:
		return ""
	}
}

// shopPhone reads a number as its owner typed it, in the form of the country; "" when no message reaches it.
func shopPhone(typed, country string) string {
	if len(typed) > 64 {
		return ""
	}
	number, err := phonenumbers.Parse(typed, cmp.Or(country, phonenumbers.UNKNOWN_REGION))
	if err != nil || number.GetExtension() != "" {
		return ""
	}
	switch phonenumbers.GetNumberType(number) {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE, phonenumbers.VOIP, phonenumbers.PERSONAL_NUMBER:
		return phonenumbers.Format(number, phonenumbers.E164)
	default:
		return ""
	}
}

// shopEmail is a bare address with its domain in lower case, "" when it is none.
func shopEmail(typed string) string {
	typed = strings.TrimSpace(typed)
	parsed, err := mail.ParseAddress(typed)
	if err != nil || parsed.Address != typed || len(typed) > 254 {
		return ""
	}
	at := strings.LastIndexByte(typed, '@')
	domain := strings.ToLower(typed[at+1:])
	if at > 64 || !strings.Contains(domain, ".") || strings.ContainsAny(domain, "[] ") {
		return ""
	}
	return typed[:at] + "@" + domain
}

// clipTo cuts a text to at most limit bytes, between characters, and leaves control characters out.
func clipTo(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "")
}

// A word is a JSON string, number or boolean as text; anything else is "". Ids of shops are larger than floats hold.
type word string

// UnmarshalJSON never fails: a member in an unknown form must not lose the whole order.
func (w *word) UnmarshalJSON(raw []byte) error {
	*w = ""
	switch {
	case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n':
	case raw[0] == '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			*w = word(s)
		}
	default:
		*w = word(raw)
	}
	return nil
}

func first(words ...word) string { return string(cmp.Or(words...)) }

// A loose is a JSON value of type T; one in another form is its zero value.
type loose[T any] struct{ is T }

// UnmarshalJSON never fails, as word's.
func (l *loose[T]) UnmarshalJSON(raw []byte) error {
	if err := json.Unmarshal(raw, &l.is); err != nil {
		var none T
		l.is = none
	}
	return nil
}

// moment reads a time of RFC 3339, or one without a zone, which is UTC; the zero time when it is neither.
func moment(s word) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, string(s)); err == nil && t.Year() >= 1970 && t.Year() <= 2200 {
			return t.UTC().Truncate(time.Microsecond)
		}
	}
	return time.Time{}
}

// identify checks the id of an order.
func identify(id string) error {
	if id == "" || len(id) > maxShopID || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.") != "" {
		return fmt.Errorf("it has no id, or one of more than %d bytes or with strange characters", maxShopID)
	}
	return nil
}

// decodeShop reads a body that has to be a JSON object.
func decodeShop(body []byte, into any) error {
	if trimmed := strings.TrimSpace(string(body[:min(len(body), 64)])); !strings.HasPrefix(trimmed, "{") {
		return errors.New("the body is no JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the body is no JSON: %w", err)
	}
	return nil
}
