package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// deliver makes the attempts of one batch. Running it twice sends once: a claim is exclusive.
func (d *Dispatcher) deliver(ctx context.Context, t *asynq.Task) error {
	var p deliverPayload
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return fmt.Errorf("decode %s: %w: %w", t.Type(), err, asynq.SkipRetry)
	}
	sender, ok := d.cfg.Senders[p.Lane]
	if !ok {
		return nil // the feeder closes what waits for it
	}
	states, err := d.cfg.Sends.Load(ctx, p.Refs)
	if err != nil {
		return fmt.Errorf("load batch of lane %s: %w", p.Lane, err)
	}
	for range 3 { // rounds: who waits for another's invitation sees it in the next; who still waits is due again when the lease ends
		invited, err := d.lastInvited(ctx, states)
		if err != nil {
			return fmt.Errorf("last invitations: %w", err)
		}
		free, busy, err := d.reserve(ctx, states, invited)
		if err != nil {
			return err
		}
		if invited, err = d.lastInvited(ctx, free); err != nil { // again: what was reserved cannot change any more
			return fmt.Errorf("last invitations: %w", err)
		}
		if err := d.attempts(ctx, sender, free, invited); err != nil || len(busy) == 0 {
			return err
		}
		states = busy
	}
	return nil
}

// attempts makes one attempt at each of states and waits for all.
func (d *Dispatcher) attempts(ctx context.Context, sender Sender, states []survey.State, invited map[string]time.Time) error {
	running := d.slots[sender.Name].running
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range states {
		select {
		case running <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err() // what is left is due again when the lease ends
		}
		wg.Go(func() {
			defer func() { <-running }()
			d.attempt(ctx, sender, &states[i], invited[states[i].Send.ID])
		})
	}
	return nil
}

// slots bound the work of one lane in this process. Attempts pass claim, provider and record one after the other, so that the provider is
// busy while commits are waited for; few are claimed and not yet sent, since these are uncertain after a crash.
type slots struct {
	running chan struct{} // attempts in any state
	claimed chan struct{} // being claimed, or claimed and waiting for the provider
	sending chan struct{} // at the provider
}

func newSlots(concurrency int) slots {
	return slots{
		running: make(chan struct{}, 4*concurrency), claimed: make(chan struct{}, concurrency), sending: make(chan struct{}, concurrency),
	}
}

// lastInvited finds, by send, when any address of its recipient was last invited.
func (d *Dispatcher) lastInvited(ctx context.Context, states []survey.State) (map[string]time.Time, error) {
	found := make(map[string]time.Time)
	if d.cfg.Policy.Cooldown == 0 {
		return found, nil
	}
	byMode := make(map[survey.Mode][]string)
	for _, s := range states {
		r := s.Send.Recipient
		for _, a := range []string{r.Email, r.Phone, r.ViberID} {
			if a != "" {
				byMode[s.Send.Mode] = append(byMode[s.Send.Mode], a)
			}
		}
	}
	for mode, addresses := range byMode {
		at, err := d.cfg.Sends.LastInvited(ctx, mode, addresses)
		if err != nil {
			return nil, err
		}
		for _, s := range states {
			if s.Send.Mode != mode {
				continue
			}
			r := s.Send.Recipient
			for _, a := range []string{r.Email, r.Phone, r.ViberID} {
				if t := at[a]; t.After(found[s.Send.ID]) {
					found[s.Send.ID] = t
				}
			}
		}
	}
	return found, nil
}

// attempt decides, renders, claims, sends and records one message. Its outcome is logged once, here.
func (d *Dispatcher) attempt(ctx context.Context, sender Sender, s *survey.State, invited time.Time) {
	status, err := d.try(ctx, sender, s, invited)
	switch {
	case errors.Is(err, survey.ErrConflict):
		// another has the send, or it changed: whoever did that recorded why
	case err != nil && ctx.Err() == nil:
		d.cfg.Log.WarnContext(ctx, "attempt not recorded, looked at again", "send_id", s.Send.ID, "sender", sender.Name, "error", err)
	case err == nil:
		d.cfg.Log.DebugContext(ctx, "attempt made", "send_id", s.Send.ID, "sender", sender.Name, "kind", s.Send.Kind, "outcome", status)
	}
}

func (d *Dispatcher) try(ctx context.Context, sender Sender, s *survey.State, invited time.Time) (status string, err error) {
	defer d.release(context.WithoutCancel(ctx), s) // others see then whether it was an invitation
	now, send := d.cfg.Now(), &s.Send
	epoch := send.Epoch
	if send.Mode == survey.Test && !sender.Sandbox {
		// Law 11: the planner cannot make such a send; if one exists all the same it ends here.
		return "refused", d.apply(ctx, send.ID, func(st *survey.State) error {
			return survey.Drop(st, sender.Name, epoch, survey.ReasonNoSender, "a test send cannot reach a real provider", now)
		})
	}
	decision := survey.Decide(s, invited, d.cfg.Policy, now)
	if decision.Verdict != survey.Go {
		return string(decision.Verdict), d.apply(ctx, send.ID, func(st *survey.State) error {
			return survey.Settle(st, sender.Name, epoch, decision, now)
		})
	}
	m, extra, err := d.message(ctx, sender, s)
	if errors.Is(err, templates.ErrSource) {
		return "", err // due again when the lease ends
	}
	if err != nil {
		return "unrenderable", d.apply(ctx, send.ID, func(st *survey.State) error {
			return survey.Drop(st, sender.Name, epoch, survey.ReasonRender, err.Error(), now)
		})
	}
	if m.To == "" {
		return "no address", d.apply(ctx, send.ID, func(st *survey.State) error {
			return survey.Drop(st, sender.Name, epoch, survey.ReasonNoAddress, "the recipient has no address on "+string(m.Channel), now)
		})
	}
	a := survey.Attempt{
		ID: m.AttemptID, Kind: send.Kind, Step: send.Step, Channel: m.Channel, Sender: sender.Name, Address: m.To, Segments: 1, Epoch: epoch,
	}
	if ctx.Err() != nil {
		return "", ctx.Err() // nothing was claimed: it is due again when the lease ends
	}
	if len(sender.Rates) > 0 && d.stopped() {
		return "left", nil // likewise: a shutdown does not wait for turns
	}
	slots := d.slots[sender.Name]
	slots.claimed <- struct{}{}
	release := sync.OnceFunc(func() { <-slots.claimed })
	defer release()
	// From here on nothing may be cut off: a claim whose commit is not waited for would be an attempt that nobody makes.
	ctx = context.WithoutCancel(ctx)
	after, err := d.cfg.Sends.Apply(ctx, send.ID, func(st *survey.State) error {
		return survey.Claim(st, a, now.Add(d.cfg.Lease), decision, extra, now)
	})
	if err != nil {
		return "", fmt.Errorf("claim: %w", err)
	}
	if !has(after, a.ID) {
		return "not claimed", nil
	}
	slots.sending <- struct{}{}
	release()
	result := d.paced(ctx, sender, m, after.Send.Tries)
	<-slots.sending
	finished, err := d.cfg.Sends.Apply(ctx, send.ID, func(st *survey.State) error {
		return survey.Finish(st, a.ID, result, d.cfg.Now())
	})
	if err != nil {
		return "", fmt.Errorf("finish: %w", err)
	}
	if finished.Send.Lane != "" && !finished.Send.DueAt.After(d.cfg.Now()) {
		d.Wake() // the next step of its plan
	}
	if result.Fault == survey.FaultMisconfigured {
		d.pause(ctx, sender, result.Code)
	}
	if result.Fault == survey.FaultNone {
		return "accepted", nil
	}
	return result.Fault, nil
}

func (d *Dispatcher) apply(ctx context.Context, id string, fn func(*survey.State) error) error {
	after, err := d.cfg.Sends.Apply(ctx, id, fn)
	if err == nil && after.Send.Lane != "" && !after.Send.DueAt.After(d.cfg.Now()) {
		d.Wake()
	}
	return err
}

func has(s survey.State, attemptID string) bool {
	for _, a := range s.Attempts {
		if a.ID == attemptID {
			return true
		}
	}
	return false
}

// pause lets a sender rest whose credentials or set-up its provider refuses, instead of burning its sends.
func (d *Dispatcher) pause(ctx context.Context, sender Sender, code string) {
	d.paused.Store(sender.Name, d.cfg.Now().Add(15*time.Minute))
	d.cfg.Log.ErrorContext(ctx, "sender paused: its provider refuses it; check its configuration", "sender", sender.Name, "code", code)
}

// message renders what is due and addresses it.
func (d *Dispatcher) message(ctx context.Context, sender Sender, s *survey.State) (m channels.Message, extra map[string]any, err error) {
	send := &s.Send
	defer func() {
		if v := recover(); v != nil { // one message at fault must not end the program, each time that its lease ends
			d.cfg.Log.ErrorContext(ctx, "renderer panicked", "send_id", send.ID, "stack", string(debug.Stack()))
			err = fmt.Errorf("render %s: panic", send.Kind)
		}
	}()
	sv, ok := d.cfg.Surveys[send.Survey]
	if !ok {
		return channels.Message{}, nil, fmt.Errorf("survey %s is not installed", send.Survey)
	}
	ch, to := s.Target()
	links := d.cfg.Links.URLs(send.ID)
	r, err := d.cfg.Renderer.Render(ctx, templates.Request{
		Survey: sv, Version: send.SurveyVersion, Kind: send.Kind, Channel: ch, Locale: send.Locale, Links: links,
		Vars: templates.Vars(*send, d.cfg.Brand, sv, links, s.Response),
	})
	if err != nil {
		return channels.Message{}, nil, fmt.Errorf("render %s for %s: %w", send.Kind, ch, err)
	}
	m = channels.Message{
		AttemptID: d.ids.New(survey.AttemptPrefix, d.cfg.Now()), SendID: send.ID, Kind: send.Kind, Mode: send.Mode, Channel: ch,
		To: to, ToName: send.Recipient.Name, Subject: r.Subject, Text: r.Text, HTML: r.HTML, Locale: r.Locale, RTL: r.RTL,
		Links: []string{links.Page},
	}
	if ch == survey.Email {
		m.UnsubscribeURL = links.Unsubscribe
	}
	if ch == survey.Viber && asks(send.Kind) {
		m.Buttons = keys(sv, send)
	}
	if d.cfg.PublicURL != "" && !sender.Sandbox {
		m.StatusURL = d.cfg.PublicURL + "/webhooks/" + sender.Driver + "/" + sender.Name + "/status?attempt=" + m.AttemptID
	}
	if r.Fallback != "" {
		extra = map[string]any{"fallback": r.Fallback}
	}
	return m, extra, nil
}

// asks reports whether a message of this kind asks for the score.
func asks(k survey.Kind) bool {
	return k == survey.Invitation || k == survey.Reminder || k == survey.Clarify
}

// keys are the scores under a Viber message.
func keys(sv survey.Survey, send *survey.Send) []survey.Button {
	out := make([]survey.Button, 0, sv.Max-sv.Min+1)
	for n := sv.Min; n <= sv.Max; n++ {
		out = append(out, survey.Button{Text: survey.Digits(strconv.Itoa(n), send.Locale), Payload: survey.Payload(send.ID, n)})
	}
	return out
}

// paced sends when the rate has room. What is claimed after the feeder's grant comes to the provider late and unevenly, so it takes its turn
// here once more. A message that gets none in time was surely not sent.
func (d *Dispatcher) paced(ctx context.Context, sender Sender, m channels.Message, tries int) survey.Result {
	late := time.Now().Add(d.cfg.Lease / 2)
	for len(sender.Rates) > 0 {
		n, wait, err := d.pace.grant(ctx, sender.Name+"@provider", sender.Rates, 1)
		if err != nil {
			d.cfg.Log.WarnContext(ctx, "no turn at the provider, tried again", "send_id", m.SendID, "sender", sender.Name, "error", err)
		}
		if err == nil && n == 1 {
			break
		}
		if err != nil || time.Now().Add(wait).After(late) || !d.rest(wait) {
			return survey.Result{Fault: survey.FaultNotSent, Code: "rate", RetryAfter: wait, Backoff: time.Second}
		}
	}
	return d.send(ctx, sender, m, tries)
}

// rest waits; it is false when a shutdown cut it short.
func (d *Dispatcher) rest(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.stopping:
		return false
	}
}

func (d *Dispatcher) stopped() bool {
	select {
	case <-d.stopping:
		return true
	default:
		return false
	}
}

// send makes the one call to the provider. A driver that panics may have sent: nothing is known.
func (d *Dispatcher) send(ctx context.Context, sender Sender, m channels.Message, tries int) (r survey.Result) {
	defer func() {
		if v := recover(); v != nil {
			d.cfg.Log.ErrorContext(ctx, "driver panicked", "send_id", m.SendID, "sender", sender.Name, "stack", string(debug.Stack()))
			r = survey.Result{Fault: survey.FaultUnconfirmed, Code: "panic"}
		}
	}()
	limit := sender.Timeout
	if limit == 0 {
		limit = 30 * time.Second
	}
	// A drain lets the call end: ctx has no end of its own, and the limit is the only one.
	call, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	receipt, err := sender.Via.Send(call, m)
	if err == nil {
		return survey.Result{ProviderID: receipt.ProviderID, Segments: max(receipt.Segments, 1)}
	}
	r = survey.Result{Fault: survey.FaultUnconfirmed, ProviderID: receipt.ProviderID, Backoff: backoff(tries)}
	if e, ok := errors.AsType[*channels.Error](err); ok {
		r.Fault, r.Code, r.RetryAfter = e.Fault.String(), e.Code, e.RetryAfter
	}
	return r
}

// backoff is exponential with full jitter: anything up to 5 s · 2^tries, at most an hour.
//
// Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
func backoff(tries int) time.Duration {
	ceiling := min(5*time.Second<<min(tries, 12), time.Hour)
	return rand.N(ceiling) + time.Second //nolint:gosec // jitter is no secret
}
