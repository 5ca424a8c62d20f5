package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
	"github.com/odziv/odziv/web"
	"github.com/odziv/odziv/webhooks"
)

// triggersKept is how long places of daily caps and events of shops are remembered: no shop repeats itself for longer.
const triggersKept = 40 * day

// A triggering decides which sends follow from transaction events.
type triggering struct {
	rules   []survey.Trigger
	surveys map[string]survey.Survey
	plan    sendPlanner
	places  placeKeeper
	zone    *time.Location // of the brand: its days are those of daily caps
	now     func() time.Time
}

// A sendPlanner chooses senders.
type sendPlanner interface {
	Plan(s *survey.Send, wish survey.Wish) []survey.FieldError
}

// A placeKeeper counts what daily caps allow.
type placeKeeper interface {
	Reserve(ctx context.Context, places []survey.Place) ([]bool, error)
	Free(ctx context.Context, places []survey.Place) ([]bool, error)
}

func (g *gateway) triggering() triggering {
	return triggering{rules: g.cfg.Triggers, surveys: g.bySurvey, plan: g.plan, places: g.store, zone: g.zone(), now: time.Now}
}

// Decide gives for each event what the rules say, with planned sends that have no id yet. With dry no place of a
// daily cap is taken.
func (t triggering) Decide(ctx context.Context, events []survey.TransactionEvent, dry bool) ([][]survey.Firing, error) {
	now := t.now().UTC().Truncate(time.Microsecond)
	out := make([][]survey.Firing, len(events))
	var places []survey.Place
	var capped []*survey.Firing // of the same index
	for i, e := range events {
		out[i] = survey.Fire(t.rules, e)
		for k := range out[i] {
			f := &out[i][k]
			if f.Skipped != "" {
				continue
			}
			if err := t.prepare(f, e, now); err != nil {
				return nil, err
			}
			if p, ok := f.Trigger.Place(f.Send, t.zone); ok && f.Skipped == "" {
				places, capped = append(places, p), append(capped, f)
			}
		}
	}
	take := t.places.Reserve
	if dry {
		take = t.places.Free
	}
	granted, err := take(ctx, places)
	if err != nil {
		return nil, fmt.Errorf("daily cap: %w: %w", survey.ErrUnavailable, err)
	}
	for i, f := range capped {
		if !granted[i] {
			f.Skipped, f.Saw = survey.SkipDailyCap, map[string]any{"count": places[i].N, "day": places[i].Day}
			if per := f.Trigger.Cap.Per; per != "" {
				f.Saw["per"], f.Saw["value"] = per, places[i].Per
			}
		}
	}
	return out, nil
}

// prepare makes the send of a firing, or says why there can be none. An error is a fault of ours: the event has to be
// told again.
func (t triggering) prepare(f *survey.Firing, e survey.TransactionEvent, now time.Time) error {
	f.Send = f.Trigger.Send(e, t.surveys[f.Trigger.Survey], now)
	if !f.Send.ExpiresAt.After(now) {
		f.Skipped, f.Saw = survey.ReasonExpired, map[string]any{"expires_at": f.Send.ExpiresAt}
		return nil
	}
	faults := survey.InvalidError(t.plan.Plan(&f.Send, survey.Wish{Channels: f.Trigger.Channels}))
	if len(faults) == 0 {
		return nil
	}
	switch code := survey.Reason(faults[0].Code); code {
	case survey.ReasonNoAddress, survey.ReasonNoSender:
		f.Skipped, f.Saw = code, map[string]any{"detail": faults[0].Detail}
		return nil
	case web.CodeUnavailable:
		return fmt.Errorf("plan send of trigger %s: %s: %w", f.Trigger.ID, faults[0].Detail, survey.ErrUnavailable)
	default:
		return fmt.Errorf("plan send of trigger %s: %s", f.Trigger.ID, faults[0].Detail)
	}
}

// A shopTaker takes what shops tell.
type shopTaker struct{ *gateway }

// Take stores the sends that follow before it returns. Those that were there before keep their id.
func (g shopTaker) Take(ctx context.Context, e survey.TransactionEvent) ([]survey.Firing, error) {
	decided, err := g.triggering().Decide(ctx, []survey.TransactionEvent{e}, false)
	if err != nil {
		return nil, err
	}
	fired := decided[0]
	var sends []survey.Send
	for i := range fired {
		if f := &fired[i]; f.Skipped == "" {
			f.Send.ID = g.ids.New(survey.SendPrefix, f.Send.CreatedAt)
			sends = append(sends, f.Send)
		}
	}
	if len(sends) == 0 {
		return fired, nil
	}
	done, err := g.store.Accept(ctx, sends, nil)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	next := 0
	for i := range fired {
		if fired[i].Skipped == "" {
			fired[i].Send = done[next].Send
			next++
		}
	}
	g.work.Wake()
	return fired, nil
}

// shops puts the webhooks of shops on the server.
func (g *gateway) shops(app *fiber.App) {
	s := &webhooks.Shops{
		Shops: make(map[string]webhooks.Shop, len(g.cfg.Shops)), Triggers: shopTaker{g}, Memory: g.store, Inbox: g.store, Eraser: shopEraser{g.store},
		Locale: templates.MatchLocale, IDs: g.ids, Log: g.log, Now: time.Now,
	}
	for _, c := range g.cfg.Shops {
		s.Shops[c.ID] = webhooks.Shop{
			Kind: c.Kind, Secret: string(c.Secret), PreviousSecret: string(c.PreviousSecret), Country: c.Country, Mode: c.Mode,
		}
	}
	s.Mount(app)
}

// A forgetter finds and forgets contacts.
type forgetter interface {
	Contacts(ctx context.Context, f survey.ContactFilter) (items []survey.Contact, next string, err error)
	EraseContact(ctx context.Context, mode survey.Mode, id, actor string, now time.Time) (survey.Erasure, error)
}

// A shopEraser forgets the customers of a shop.
type shopEraser struct{ forgetter }

// Erase forgets the person whom the surest of the ids that a shop names leads to: in mode test, and for a live shop in mode live
// too. A phone or an email may be of several: they are looked for only when the customer's own id is not known, and nobody
// is forgotten by one that leads to several people or to another customer of the shop (webhooks.ErrUnsure).
func (e shopEraser) Erase(ctx context.Context, shop string, mode survey.Mode, who survey.Recipient) error {
	modes := []survey.Mode{survey.Test}
	if mode == survey.Live {
		modes = append(modes, survey.Live)
	}
	var unsure error
	for _, mode := range modes {
		switch err := e.eraseIn(ctx, shop, mode, who); {
		case errors.Is(err, webhooks.ErrUnsure):
			unsure = err
		case err != nil:
			return err
		}
	}
	return unsure
}

func (e shopEraser) eraseIn(ctx context.Context, shop string, mode survey.Mode, who survey.Recipient) error {
	for _, x := range who.Identities() {
		found, _, err := e.Contacts(ctx, survey.ContactFilter{Mode: mode, Identity: x})
		if err != nil {
			return fmt.Errorf("find who is to be erased: %w", err)
		}
		if x.Channel() != "" && (len(found) > 1 || slices.ContainsFunc(found, func(c survey.Contact) bool { return another(c, shop, who) })) {
			return fmt.Errorf("by %s: %w", x.Kind, webhooks.ErrUnsure)
		}
		for _, c := range found {
			if _, err := e.EraseContact(ctx, mode, c.ID, "shop:"+shop, time.Now()); err != nil {
				return fmt.Errorf("erase %s: %w", c.ID, err)
			}
		}
		if len(found) > 0 {
			return nil
		}
	}
	return nil
}

// another reports whether a contact is a customer of the shop by another id than the one that the shop names.
func another(c survey.Contact, shop string, who survey.Recipient) bool {
	return who.ExternalID != "" && slices.ContainsFunc(c.Identities, func(x survey.Identity) bool {
		return x.Kind == survey.ByExternalID && strings.HasPrefix(x.Value, shop+":") && x.Value != who.ExternalID
	})
}
