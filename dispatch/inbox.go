package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// What became of a raw callback.
const (
	inboundOK         = "ok"
	inboundIgnored    = "ignored"
	inboundUnreadable = "unreadable"
)

// errEarly: a receipt may be faster than the provider's answer to the very message that it is about.
var errEarly = errors.New("no message of that provider id yet")

// maxReads of a callback before it is left to a person.
const maxReads = 100

// readersAtOnce of one batch of callbacks: each waits for a commit that they share.
const readersAtOnce = 32

// understand takes raw callbacks into the sends that they are about. Running it twice changes nothing: replies carry their raw record's
// id and status only rises. What one person said is taken in one after the other in the order in which it came, everything else at once.
func (d *Dispatcher) understand(ctx context.Context, t *asynq.Task) error {
	var p understandPayload
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return fmt.Errorf("decode %s: %w: %w", t.Type(), err, asynq.SkipRetry)
	}
	raw, err := d.cfg.Inbox.Inbound(ctx, p.IDs)
	if err != nil {
		return fmt.Errorf("load inbox: %w", err)
	}
	var mu sync.Mutex
	done := make(map[string][]string)
	var group errgroup.Group
	group.SetLimit(readersAtOnce)
	groups := d.decode(raw)
	if err := d.earlier(ctx, raw, groups); err != nil {
		return fmt.Errorf("load inbox: %w", err)
	}
	for _, calls := range groups {
		group.Go(func() error {
			for _, c := range calls {
				result, err := d.take(ctx, c)
				if err != nil && c.in.Tries >= maxReads && ctx.Err() == nil {
					d.cfg.Log.ErrorContext(ctx, "inbound given up; its raw bytes stay", "inbound_id", c.in.ID, "sender", c.in.Sender, "error", err)
					result, err = inboundUnreadable, nil
				}
				if err != nil {
					d.cfg.Log.WarnContext(ctx, "inbound not understood, looked at again", "inbound_id", c.in.ID, "sender", c.in.Sender, "error", err)
					return nil // it and what came after it are due again when their lease ends
				}
				mu.Lock()
				done[result] = append(done[result], c.in.ID)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait()                                                                // never an error
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // it is taken in
	defer cancel()
	for result, ids := range done {
		if err := d.cfg.Inbox.DoneInbound(keep, ids, result); err != nil {
			return fmt.Errorf("close inbox: %w", err)
		}
	}
	if len(done[inboundOK]) > 0 {
		d.Wake() // what is said next
	}
	return nil
}

// A call is one raw callback and what it says.
type call struct {
	in      *survey.Inbound
	sender  Sender
	updates []channels.Update
	result  string // when there is nothing to take in
}

// person is who says it to which sender, "" when nobody does: what a provider says of a message has no order with what its recipient says,
// and one that cannot be understood yet must not hold up a STOP.
func (c call) person() string {
	if len(c.updates) == 0 || c.updates[0].From == "" || c.updates[0].Type == channels.StatusUpdate {
		return ""
	}
	return c.in.Sender + " " + c.updates[0].From
}

// decode reads raw callbacks and keeps together, in their order, those of one person.
func (d *Dispatcher) decode(raw []survey.Inbound) map[string][]call {
	groups := make(map[string][]call)
	for i := range raw {
		c := call{in: &raw[i]}
		key := c.in.ID
		sender, known := d.cfg.Senders[c.in.Sender]
		rcv, reads := sender.Via.(channels.Receiver)
		if !known || !reads {
			c.result = inboundIgnored
			groups[key] = append(groups[key], c)
			continue
		}
		c.sender = sender
		var err error
		c.updates, err = read(rcv, channels.Callback{URL: c.in.URL, Endpoint: c.in.Endpoint, Header: c.in.Header, Body: c.in.Body})
		switch {
		case err != nil:
			c.result = inboundUnreadable // its raw bytes stay for a person to look at
		case len(c.updates) == 0:
			c.result = inboundIgnored
		case c.person() != "":
			key = c.person()
		}
		groups[key] = append(groups[key], c)
	}
	return groups
}

// earlier puts before what a person said what they said earlier and another task has not read yet: it is read first, here too. Who is
// second to read it changes nothing.
func (d *Dispatcher) earlier(ctx context.Context, raw []survey.Inbound, groups map[string][]call) error {
	last := make(map[string]survey.Inbound) // of each sender and endpoint at which persons speak
	for _, calls := range groups {
		if c := calls[len(calls)-1]; c.person() != "" {
			at := c.in.Sender + " " + c.in.Endpoint
			if c.in.ID > last[at].ID {
				last[at] = *c.in
			}
		}
	}
	mine := make(map[string]bool, len(raw))
	for i := range raw {
		mine[raw[i].ID] = true
	}
	for _, in := range last {
		ids, err := d.cfg.Feed.EarlierInbound(ctx, in, d.cfg.Now())
		if err != nil {
			return err
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return mine[id] })
		if len(ids) == 0 {
			continue
		}
		others, err := d.cfg.Inbox.Inbound(ctx, ids)
		if err != nil {
			return err
		}
		for person, before := range d.decode(others) {
			calls, here := groups[person]
			if !here || calls[0].person() == "" {
				continue
			}
			latest := calls[len(calls)-1].in.ID
			before = slices.DeleteFunc(before, func(c call) bool { return c.in.ID > latest })
			calls = append(before, calls...)
			slices.SortFunc(calls, func(a, b call) int { return strings.Compare(a.in.ID, b.in.ID) })
			groups[person] = calls
		}
	}
	return nil
}

// read is Read, whose panic is an error: one callback at fault must not hold up those that came with it.
func read(via channels.Receiver, cb channels.Callback) (updates []channels.Update, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("read callback: %v", v)
		}
	}()
	return via.Read(cb)
}

// take takes one callback in. An error means that it shall be looked at again.
func (d *Dispatcher) take(ctx context.Context, c call) (result string, err error) {
	if c.result != "" {
		return c.result, nil
	}
	result = inboundIgnored
	for _, u := range c.updates {
		known, err := d.update(ctx, c.sender, c.in, u)
		if err != nil {
			return "", err
		}
		if known {
			result = inboundOK
		}
	}
	return result, nil
}

// update takes one update in. Known is false when it is about nothing of ours.
func (d *Dispatcher) update(ctx context.Context, sender Sender, in *survey.Inbound, u channels.Update) (known bool, err error) {
	switch u.Type {
	case channels.StatusUpdate:
		return d.report(ctx, sender, in, u)
	case channels.ReplyUpdate, channels.OptOutUpdate, channels.OptInUpdate:
		return d.hear(ctx, sender, in, u)
	default:
		return false, nil
	}
}

func (d *Dispatcher) report(ctx context.Context, sender Sender, in *survey.Inbound, u channels.Update) (known bool, err error) {
	sendID, attemptID := "", u.AttemptID
	if attemptID != "" {
		sendID, err = d.cfg.Inbox.SendOfAttempt(ctx, attemptID)
	}
	if attemptID == "" || errors.Is(err, survey.ErrNotFound) && u.ProviderID != "" {
		sendID, attemptID, err = d.cfg.Inbox.SendOfProviderID(ctx, sender.Name, u.ProviderID)
	}
	if errors.Is(err, survey.ErrNotFound) {
		if u.AttemptID == "" && d.cfg.Now().Sub(in.At) < 2*d.cfg.Lease {
			return false, errEarly
		}
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find attempt: %w", err)
	}
	after, err := d.cfg.Sends.Apply(ctx, sendID, func(s *survey.State) error {
		return survey.Heard(s, survey.Report{
			AttemptID: attemptID, Sender: sender.Name, ProviderID: u.ProviderID, Status: u.Status, Fault: faultOf(u), Code: u.Code, Backoff: backoff(len(s.Attempts)), Retry: sender.Retry,
			At: u.At,
		}, d.cfg.Now())
	})
	if errors.Is(err, survey.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("record report: %w", err)
	}
	if after.Send.Lane != "" {
		d.Wake()
	}
	return true, nil
}

// hear takes in what a person said, or a provider in their name. STOP wins (law 7): where there is no conversation that it could end,
// the address is left alone all the same, until the person comes back.
func (d *Dispatcher) hear(ctx context.Context, sender Sender, in *survey.Inbound, u channels.Update) (known bool, err error) {
	if u.Channel == "" {
		u.Channel = sender.Channel
	}
	err = d.converse(ctx, sender, in, u)
	if !errors.Is(err, survey.ErrNotFound) {
		return err == nil, err
	}
	if d.cfg.Suppressor == nil || u.From == "" {
		return false, nil
	}
	var word survey.Cmd
	if u.Type == channels.ReplyUpdate && u.Button == "" {
		word = survey.Command(u.Text)
	}
	said := said(u, d.cfg.Now())
	switch {
	case u.Type == channels.OptOutUpdate || word == survey.CmdStop:
		return true, d.cfg.Suppressor.Suppress(ctx, survey.Suppression{
			Mode: in.Mode, Channel: u.Channel, Address: u.From, Scope: survey.ScopeAll, Reason: survey.SaidStop, Source: sender.Name, At: said,
		})
	case u.Type == channels.OptInUpdate || word == survey.CmdStart:
		err := d.cfg.Suppressor.Lift(ctx, survey.Lift{Mode: in.Mode, Channel: u.Channel, Address: u.From, Word: true, Actor: sender.Name, At: said})
		if errors.Is(err, survey.ErrNotFound) { // nothing kept them away
			return false, nil
		}
		return err == nil, err
	default:
		return false, nil
	}
}

// said is when a person said u: providers repeat, and deliver in any order.
func said(u channels.Update, now time.Time) time.Time {
	if u.At.IsZero() || u.At.After(now) {
		return now
	}
	return u.At
}

// converse takes u into the conversation that it is part of; survey.ErrNotFound when there is none with this address.
func (d *Dispatcher) converse(ctx context.Context, sender Sender, in *survey.Inbound, u channels.Update) (err error) {
	sendID := u.SendID
	if sendID == "" {
		if sendID, err = d.cfg.Inbox.SendOfThread(ctx, in.Mode, u.Channel, u.From); err != nil {
			return fmt.Errorf("find thread: %w", err)
		}
	}
	now := d.cfg.Now()
	_, err = d.cfg.Sends.Apply(ctx, sendID, func(s *survey.State) error {
		if !s.Of(u.Channel, u.From) {
			return fmt.Errorf("send %s was not sent there: %w", sendID, survey.ErrNotFound)
		}
		switch u.Type {
		case channels.OptOutUpdate:
			survey.Leave(s, survey.Left{
				Channels: []survey.Channel{u.Channel}, Address: u.From, Reason: survey.SaidStop, Source: sender.Name, Confirm: !u.Confirmed, At: said(u, now),
			}, now)
			return nil
		case channels.OptInUpdate:
			survey.Return(s, u.Channel, u.From, said(u, now), now)
			return nil
		default:
			asked, _ := s.Send.Asks()
			r := survey.Reply{InboundID: in.ID, Channel: u.Channel, Sender: sender.Name, Address: u.From, Text: u.Text, Button: u.Button, At: said(u, now)}
			ids := func(prefix string) string { return d.ids.New(prefix, now) }
			return survey.Hear(s, d.cfg.Surveys[asked], r, ids, u.Confirmed, now)
		}
	})
	if err != nil {
		return fmt.Errorf("take reply in: %w", err)
	}
	return nil
}
