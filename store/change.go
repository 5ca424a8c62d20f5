package store

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/odziv/odziv/survey"
)

// A change is what one call made of a state, in the form in which it is written.
type change struct {
	before, after survey.State
	row           bool // of the send: it has to be written
	thread        string
	doc, plan     string // of the recipient, when it changed
	recipient     bool
	events        []ledgerRow
}

type ledgerRow struct {
	sendID, id, typ string
	at              int64
	data            string
}

// change calls fn on a copy of before.
func (s *Store) change(before *survey.State, fn func(*survey.State) error) (*change, error) {
	c := &change{before: *before, after: clone(before)}
	if err := protect(func() error { return fn(&c.after) }); err != nil {
		return nil, err
	}
	if err := s.settle(&c.after, before); err != nil {
		return nil, err
	}
	m := &c.after.Send
	c.recipient = recipientChanged(&before.Send, m)
	c.row = c.recipient || sendChanged(&before.Send, m) || !slices.Equal(before.Attempts, c.after.Attempts) ||
		!sameResponse(before.Response, c.after.Response)
	if m.Rev = before.Send.Rev; c.row {
		m.Rev++
	}
	return c, s.encode(c)
}

// encode prepares the texts that are written.
func (s *Store) encode(c *change) error {
	m := &c.after.Send
	c.thread = encodeThread(&m.Thread)
	if c.recipient {
		text, err := appendDoc(nil, m)
		if err != nil {
			return err
		}
		c.doc, c.plan = string(text), encodePlan(m.Plan)
	}
	if len(c.after.Events) == 0 {
		return nil
	}
	c.events = make([]ledgerRow, len(c.after.Events))
	for i := range c.after.Events {
		e := &c.after.Events[i]
		data, err := encodeData(e.Data)
		if err != nil {
			return fmt.Errorf("encode event %s: %w", e.Type, err)
		}
		c.events[i] = ledgerRow{e.SendID, e.ID, e.Type, micros(e.At), data}
	}
	return nil
}

// nothing reports whether there is nothing to write.
func (c *change) nothing() bool {
	return !c.row && len(c.events) == 0 && len(c.after.Lift) == 0 && slices.Equal(c.before.Suppressions, c.after.Suppressions)
}

// settle completes what a function left to the store, and gives values the form in which they will be read back.
func (s *Store) settle(after, before *survey.State) error {
	now := stored(s.now())
	m := &after.Send
	if m.ID != before.Send.ID {
		return fmt.Errorf("apply changed the id of send %s", before.Send.ID)
	}
	m.DueAt, m.ExpiresAt, m.UpdatedAt = stored(m.DueAt), stored(m.ExpiresAt), stored(m.UpdatedAt)
	m.Thread.Address = clean(m.Thread.Address)
	if sendChanged(&before.Send, m) && m.UpdatedAt.Equal(before.Send.UpdatedAt) {
		m.UpdatedAt = now
	}
	for i := range after.Attempts {
		a := &after.Attempts[i]
		a.SendID = m.ID
		if a.ID == "" {
			a.ID = s.ids.New(survey.AttemptPrefix, now)
		}
		if a.At.IsZero() {
			a.At = now
		}
		if a.UpdatedAt.IsZero() {
			a.UpdatedAt = a.At
		}
		a.At, a.UpdatedAt = stored(a.At), stored(a.UpdatedAt)
		a.ProviderID, a.Code, a.Address = clean(a.ProviderID), clean(a.Code), clean(a.Address)
	}
	for i := range after.Suppressions {
		p := &after.Suppressions[i]
		p.Address, p.Subject, p.At = clean(p.Address), clean(p.Subject), stored(p.At)
		p.Mode = cmp.Or(p.Mode, m.Mode)
		p.Scope = cmp.Or(p.Scope, survey.ScopeAll)
	}
	for i := range after.Lift {
		p := &after.Lift[i]
		p.Mode = cmp.Or(p.Mode, m.Mode)
		p.Scope = cmp.Or(p.Scope, survey.ScopeAll)
	}
	for i := range after.Events {
		e := &after.Events[i]
		if e.ID == "" {
			e.ID = s.ids.New(survey.EventPrefix, now)
		}
		e.SendID = m.ID
		if e.At.IsZero() {
			e.At = now
		}
		e.At = stored(e.At)
	}
	s.settleResponse(after)
	return nil
}

func (s *Store) settleResponse(after *survey.State) {
	r := after.Response
	if r == nil {
		return
	}
	now := stored(s.now())
	r.SendID = after.Send.ID
	if r.ID == "" {
		r.ID = s.ids.New(survey.ResponsePrefix, now)
	}
	if r.CreatedAt.IsZero() {
		r.CreatedAt = now
	}
	if r.UpdatedAt.IsZero() {
		r.UpdatedAt = r.CreatedAt
	}
	r.CreatedAt, r.UpdatedAt = stored(r.CreatedAt), stored(r.UpdatedAt)
	for i := range r.Answers {
		r.Answers[i].Text, r.Answers[i].At = clean(r.Answers[i].Text), stored(r.Answers[i].At)
	}
}

// sendChanged reports whether the row of a send has to be written.
func sendChanged(a, b *survey.Send) bool {
	return a.Status != b.Status || a.Reason != b.Reason || a.Kind != b.Kind || a.Step != b.Step || a.Lane != b.Lane ||
		!a.DueAt.Equal(b.DueAt) || a.Epoch != b.Epoch || a.Tries != b.Tries || a.Thread != b.Thread || a.Locale != b.Locale ||
		!a.ExpiresAt.Equal(b.ExpiresAt) || !a.UpdatedAt.Equal(b.UpdatedAt) || recipientChanged(a, b)
}

func recipientChanged(a, b *survey.Send) bool {
	return a.Recipient != b.Recipient || !slices.Equal(a.Plan, b.Plan)
}

func sameResponse(a, b *survey.Response) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Complete == b.Complete && a.Metric == b.Metric && a.Score == b.Score && a.Segment == b.Segment &&
		a.Locale == b.Locale && a.UpdatedAt.Equal(b.UpdatedAt) && slices.EqualFunc(a.Answers, b.Answers, sameAnswer)
}

func sameAnswer(a, b survey.Answer) bool {
	va, vb := a.Value, b.Value
	if (va == nil) != (vb == nil) || va != nil && *va != *vb {
		return false
	}
	return a.Question == b.Question && a.Text == b.Text && a.Channel == b.Channel && a.Evidence == b.Evidence && a.At.Equal(b.At)
}
