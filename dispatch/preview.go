package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/odziv/odziv/survey"
)

// A Reader tells which addresses are not written to.
type Reader interface {
	SuppressionsOf(ctx context.Context, mode survey.Mode, addresses []string) ([]survey.Suppression, error)
}

// Preview tells what would become of a send now: the decision and the message, by the code that sends. Nothing is stored.
func (d *Dispatcher) Preview(ctx context.Context, send survey.Send) (map[string]any, error) {
	s := &survey.State{Send: send}
	sender, ok := d.cfg.Senders[send.Lane]
	if !ok {
		return nil, fmt.Errorf("sender %s: %w", send.Lane, survey.ErrNotFound)
	}
	if r, ok := d.cfg.Sends.(Reader); ok {
		addresses := slices.DeleteFunc([]string{send.Recipient.Email, send.Recipient.Phone, send.Recipient.ViberID}, func(a string) bool { return a == "" })
		sup, err := r.SuppressionsOf(ctx, send.Mode, addresses)
		if err != nil {
			return nil, fmt.Errorf("suppressions: %w", err)
		}
		s.Suppressions = sup
	}
	invited, err := d.lastInvited(ctx, []survey.State{*s})
	if err != nil {
		return nil, fmt.Errorf("last invitations: %w", err)
	}
	now := d.cfg.Now()
	if send.DueAt.After(now) {
		now = send.DueAt
	}
	out := map[string]any{"decision": survey.Decide(s, invited[send.ID], d.cfg.Policy, now), "due_at": now.UTC().Format(time.RFC3339)}
	m, extra, err := d.message(ctx, sender, s)
	if err != nil && !errors.Is(err, survey.ErrNotFound) {
		return nil, err
	}
	if err != nil {
		out["message_error"] = err.Error()
		return out, nil //nolint:nilerr // what is missing is the answer
	}
	message := map[string]any{
		"channel": m.Channel, "sender": sender.Name, "locale": m.Locale, "subject": m.Subject, "text": m.Text, "buttons": len(m.Buttons),
	}
	if m.Channel == survey.SMS {
		parts := survey.Segments(m.Text)
		message["segments"], message["encoding"] = parts.Count, parts.Encoding
	}
	maps.Copy(message, extra)
	out["message"] = message
	return out, nil
}
