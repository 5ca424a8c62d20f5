package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// A Reader tells what a dry run has to know of a send that is not stored.
type Reader interface {
	// SuppressionsUnder gives the suppressions of addresses, also of people who were erased, in any order.
	SuppressionsUnder(ctx context.Context, mode survey.Mode, addresses []string) ([]survey.Suppression, error)
	// SendByTransaction gives the send that is there already, or survey.ErrNotFound.
	SendByTransaction(ctx context.Context, mode survey.Mode, surveyID, transactionID, contactID string) (id string, err error)
}

// A preview plays what would happen to a send, with the functions that make it happen.
type preview struct {
	d     *Dispatcher
	s     *survey.State
	at    time.Time
	dup   string
	steps []map[string]any
	out   map[string]any
}

// maxPlayed bounds a play: a plan has fewer steps.
const maxPlayed = 64

// Preview tells what would become of a send: every decision until a message goes out or the send ends, and the message, by the code
// that sends. Nothing is stored. survey.ErrUnavailable when what it takes cannot be read.
func (d *Dispatcher) Preview(ctx context.Context, send survey.Send) (map[string]any, error) {
	p := &preview{d: d, s: &survey.State{Send: send}, at: d.cfg.Now(), out: make(map[string]any)}
	p.s.Send.ID = d.ids.New(survey.SendPrefix, p.at) // nobody's; but links are as long as they will be
	if err := p.load(ctx); err != nil {
		return nil, err
	}
	for range maxPlayed {
		if p.s.Send.DueAt.After(p.at) {
			p.at = p.s.Send.DueAt
		}
		sent, err := p.play(ctx)
		if err != nil {
			return nil, err
		}
		if sent || p.s.Send.Lane == "" {
			break
		}
	}
	outcome := map[string]any{"status": p.s.Send.Status}
	if p.s.Send.Reason != "" {
		outcome["reason"] = p.s.Send.Reason
	}
	p.out["outcome"], p.out["steps"], p.out["due_at"] = outcome, p.steps, p.at.UTC().Format(time.RFC3339)
	return p.out, nil
}

func (p *preview) load(ctx context.Context) error {
	r, ok := p.d.cfg.Sends.(Reader)
	if !ok {
		return nil
	}
	send := &p.s.Send
	if send.ContactID == "" {
		send.ContactID = survey.ContactID(send.Mode, send.Recipient)
	}
	to := send.Recipient
	addresses := slices.DeleteFunc([]string{to.Email, to.Phone, to.ViberID}, func(a string) bool { return a == "" })
	var err error
	if p.s.Suppressions, err = r.SuppressionsUnder(ctx, send.Mode, addresses); err != nil {
		return fmt.Errorf("suppressions: %w: %w", survey.ErrUnavailable, err)
	}
	slices.SortFunc(p.s.Suppressions, func(a, b survey.Suppression) int { // as the store loads them for the worker: the first gives the reason
		return cmp.Or(slices.Index(addresses, a.Address)-slices.Index(addresses, b.Address), cmp.Compare(a.Channel, b.Channel),
			cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Subject, b.Subject))
	})
	if send.Transaction.ID == "" {
		return nil
	}
	p.dup, err = r.SendByTransaction(ctx, send.Mode, send.Survey, send.Transaction.ID, send.ContactID)
	if err != nil && !errors.Is(err, survey.ErrNotFound) {
		return fmt.Errorf("earlier send: %w: %w", survey.ErrUnavailable, err)
	}
	return nil
}

// play does what a worker would do with what is due, but for the attempt. Sent says that it would be made.
func (p *preview) play(ctx context.Context) (sent bool, err error) {
	send, lane, epoch := &p.s.Send, p.s.Send.Lane, p.s.Send.Epoch
	step := map[string]any{"at": p.at.UTC().Format(time.RFC3339), "step": send.Step, "sender": lane}
	p.steps = append(p.steps, step)
	drop := func(why survey.Reason, detail string) error {
		step["reason"], step["detail"] = why, detail
		return survey.Drop(p.s, lane, epoch, why, detail, p.at)
	}
	sender, ok := p.d.cfg.Senders[lane]
	if !ok {
		return false, drop(survey.ReasonNoSender, "no sender "+lane+" is configured")
	}
	step["channel"] = sender.Channel
	facts, err := p.d.cfg.Sends.Facts(ctx, []survey.State{*p.s}, nil)
	if err != nil {
		return false, fmt.Errorf("facts: %w: %w", survey.ErrUnavailable, err)
	}
	f := facts[send.ID]
	f.Duplicate = p.dup
	decision, err := p.d.decide(ctx, p.s, f, p.at)
	if err != nil {
		return false, fmt.Errorf("%w: %w", survey.ErrUnavailable, err)
	}
	step["decision"], p.out["decision"] = decision, decision
	if decision.Verdict != survey.Go {
		return false, survey.Settle(p.s, lane, epoch, decision, p.at)
	}
	m, extra, err := p.d.message(ctx, sender, p.s)
	switch {
	case errors.Is(err, templates.ErrSource):
		return false, fmt.Errorf("%w: %w", survey.ErrUnavailable, err)
	case err != nil:
		p.out["message_error"] = err.Error()
		return false, drop(survey.ReasonRender, err.Error())
	case m.To == "":
		return false, drop(survey.ReasonNoAddress, "the recipient has no address on "+string(m.Channel))
	}
	send.Status, send.Reason = survey.Sent, survey.ReasonNone
	p.out["message"] = describe(sender, m, extra)
	return true, nil
}

// describe is a message as a dry run shows it.
func describe(sender Sender, m channels.Message, extra map[string]any) map[string]any {
	message := map[string]any{
		"channel": m.Channel, "sender": sender.Name, "locale": m.Locale, "subject": m.Subject, "text": m.Text, "buttons": len(m.Buttons),
	}
	units := 1
	if m.Channel == survey.SMS {
		parts := survey.Segments(m.Text)
		units = parts.Count
		message["segments"], message["encoding"] = parts.Count, parts.Encoding
	}
	if price := sender.Tariff.Price(m.To, units); price != "" {
		message["price"] = map[string]string{"amount": price, "currency": sender.Tariff.Currency}
	}
	maps.Copy(message, extra)
	return message
}

// decide is survey.Decide with the release of the survey that is asked instead.
func (d *Dispatcher) decide(ctx context.Context, s *survey.State, f survey.Facts, now time.Time) (survey.Decision, error) {
	decision := survey.Decide(s, f, d.cfg.Policy, now)
	if decision.Verdict != survey.Swap || d.cfg.Release == nil {
		return decision, nil
	}
	version, err := d.cfg.Release(ctx, decision.Instead)
	if err != nil {
		return decision, fmt.Errorf("release of %s: %w", decision.Instead, err)
	}
	decision.Release = version
	return decision, nil
}
