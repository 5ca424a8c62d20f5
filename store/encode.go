package store

import (
	stdjson "encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/odziv/odziv/survey"
)

// A doc is what is never searched in a send: one column instead of twelve.
type doc struct {
	Recipient   survey.Recipient   `json:"r,omitzero"` // without what has a column of its own
	Transaction survey.Transaction `json:"t,omitzero"` // without its id
	Consent     *survey.Consent    `json:"c,omitempty"`
	Metadata    jsontext.Value     `json:"m,omitzero"`
}

// appendDoc writes a doc by hand: it runs for every accepted send, and takes a quarter of the time.
func appendDoc(b []byte, s *survey.Send) ([]byte, error) {
	b = append(b, '{')
	r := &s.Recipient
	b = appendObject(b, "r", func(b []byte) []byte {
		b = appendText(b, "external_id", r.ExternalID)
		b = appendText(b, "name", r.Name)
		b = appendText(b, "locale", r.Locale)
		return appendText(b, "timezone", r.Timezone)
	})
	x := &s.Transaction
	b = appendObject(b, "t", func(b []byte) []byte {
		b = appendText(b, "type", x.Type)
		b = appendText(b, "touchpoint", x.Touchpoint)
		b = appendTime(b, "occurred_at", x.OccurredAt)
		if len(x.Attributes) == 0 {
			return b
		}
		return appendObject(b, "attributes", func(b []byte) []byte {
			for k, v := range x.Attributes {
				b = appendName(b, k)
				b = appendQuoted(b, v)
			}
			return b
		})
	})
	if c := s.Consent; c != nil {
		b = appendObject(b, "c", func(b []byte) []byte {
			b = appendName(b, "basis")
			b = appendQuoted(b, c.Basis)
			b = appendText(b, "source", c.Source)
			return appendTime(b, "at", c.At)
		})
	}
	if s.Metadata != nil {
		if !jsontext.Value(s.Metadata).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			return nil, fmt.Errorf("encode send %s: metadata is not JSON", s.ID)
		}
		b = append(appendName(b, "m"), clean(string(s.Metadata))...)
	}
	return append(b, '}'), nil
}

func appendObject(b []byte, name string, members func([]byte) []byte) []byte {
	return append(members(append(appendName(b, name), '{')), '}')
}

// appendName begins a member.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(appendQuoted(b, name), ':')
}

func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendQuoted(appendName(b, name), value)
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(appendName(b, name), '"')
	return append(t.UTC().AppendFormat(b, time.RFC3339Nano), '"')
}

func appendQuoted(b []byte, value string) []byte {
	b, _ = jsontext.AppendQuote(b, value) // the error is of invalid UTF-8, which is replaced all the same
	return b
}

// decodeDoc fills in what appendDoc wrote. The attributes and the metadata are shared: they never change.
func (s *Store) decodeDoc(text string, m *survey.Send) error {
	d, err := s.docs.get(text, func(d *doc) error {
		err := json.Unmarshal([]byte(text), d, jsontext.AllowDuplicateNames(true))
		d.Transaction.OccurredAt = d.Transaction.OccurredAt.UTC()
		if d.Consent != nil {
			d.Consent.At = d.Consent.At.UTC()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("decode send %s: %w", m.ID, err)
	}
	d.Recipient.Email, d.Recipient.Phone, d.Recipient.ViberID = m.Recipient.Email, m.Recipient.Phone, m.Recipient.ViberID
	d.Transaction.ID = m.Transaction.ID
	m.Recipient, m.Transaction = d.Recipient, d.Transaction
	if d.Consent != nil {
		consent := *d.Consent
		m.Consent = &consent
	}
	if d.Metadata != nil {
		m.Metadata = stdjson.RawMessage(d.Metadata)
	}
	return nil
}

// A memo remembers what the last texts said: a send is read several times while it is delivered, and nearly all
// sends share a few plans.
type memo[T any] struct {
	mu   sync.Mutex
	said map[string]T // guarded by mu
}

const memoSize = 4096

func (m *memo[T]) get(text string, decode func(*T) error) (T, error) {
	m.mu.Lock()
	v, ok := m.said[text]
	m.mu.Unlock()
	if ok {
		return v, nil
	}
	if err := decode(&v); err != nil {
		return v, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.said == nil || len(m.said) >= memoSize {
		m.said = make(map[string]T, memoSize)
	}
	m.said[strings.Clone(text)] = v // text may be a part of something long
	return v, nil
}

func encodePlan(steps []survey.Step) string {
	if steps == nil {
		return "null"
	}
	b := append(make([]byte, 0, 96*len(steps)+2), '[')
	for i, step := range steps {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = appendText(b, "kind", string(step.Kind))
		b = appendText(b, "channel", string(step.Channel))
		b = appendText(b, "sender", step.Sender)
		b = appendText(b, "success_status", string(step.Success))
		b = appendNumber(b, "wait", int64(step.Wait))
		b = appendNumber(b, "after", int64(step.After))
		b = append(b, '}')
	}
	return string(append(b, ']'))
}

func (s *Store) decodePlan(text string) ([]survey.Step, error) {
	steps, err := s.plans.get(text, func(steps *[]survey.Step) error { return stdjson.Unmarshal([]byte(text), steps) })
	if err != nil {
		return nil, fmt.Errorf("decode plan: %w", err)
	}
	return slices.Clone(steps), nil
}

// decodeJSON and encodeJSON are for the small columns that may be empty.
func decodeJSON(text string, into any) error {
	if text == "" {
		return nil
	}
	return stdjson.Unmarshal([]byte(text), into)
}

func encodeJSON(v any) (string, error) {
	b, err := stdjson.Marshal(v)
	return string(b), err
}

// encodeThread writes by hand what decodeJSON reads: it runs for every change of a send.
func encodeThread(t *survey.Thread) string {
	if *t == (survey.Thread{}) {
		return ""
	}
	b := append(make([]byte, 0, 128), '{')
	b = appendText(b, "channel", string(t.Channel))
	b = appendText(b, "sender", t.Sender)
	b = appendText(b, "address", t.Address)
	b = appendText(b, "asking", t.Asking)
	if t.Clarified {
		b = append(appendName(b, "clarified"), "true"...)
	}
	b = appendNumber(b, "said", int64(t.Said))
	b = appendText(b, "heard", t.Heard)
	b = appendText(b, "survey", t.Survey)
	b = appendNumber(b, "version", int64(t.Version))
	b = appendNumber(b, "looked", int64(t.Looked))
	b = appendNumber(b, "replayed", t.Replayed)
	return string(append(b, '}'))
}

// appendNumber adds a member that is left out when it is zero.
func appendNumber(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(appendName(b, name), n, 10)
}

// encodeData writes what the ledger holds beside its columns; nearly all of it are words and numbers.
func encodeData(data map[string]any) (string, error) {
	if len(data) == 0 {
		return "", nil
	}
	names := make([]string, 0, 12)
	for name := range data {
		names = append(names, name)
	}
	slices.Sort(names)
	b := append(make([]byte, 0, 256), '{')
	for _, name := range names {
		b = appendName(b, name)
		switch v := data[name].(type) {
		case string:
			b = appendQuoted(b, v)
		case int:
			b = strconv.AppendInt(b, int64(v), 10)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case bool:
			b = strconv.AppendBool(b, v)
		default:
			other, err := stdjson.Marshal(v)
			if err != nil {
				return "", err
			}
			b = append(b, other...)
		}
	}
	return string(append(b, '}')), nil
}
