package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/odziv/odziv/survey"
)

// other is a sender of the same channel that may take over a message that this one cannot send now; "" when there is none, or the
// message is better tried again here. A Viber id is of one bot only.
func (d *Dispatcher) other(ctx context.Context, sender Sender, r survey.Result) string {
	switch r.Fault {
	case survey.FaultMisconfigured:
	case survey.FaultTransient:
		if d.fit(ctx, sender.Name) {
			return ""
		}
	default:
		return ""
	}
	return d.spare(ctx, sender)
}

// spare is the first other sender that could send in place of one, and can now.
func (d *Dispatcher) spare(ctx context.Context, sender Sender) string {
	if sender.Driver == driverViberBot {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(d.cfg.Senders)) {
		s := d.cfg.Senders[name]
		if name != sender.Name && s.Channel == sender.Channel && s.Sandbox == sender.Sandbox && s.Driver != driverViberBot && d.fit(ctx, name) {
			return name
		}
	}
	return ""
}

// asideFor is how long what cannot move makes room for what waits behind it, at most.
const asideFor = 10 * time.Second

// moveOver gives what is due in the lane of a sender that cannot send until then to another one. Messages of running conversations have to
// stay; they are due a little later, so that the next look sees what waits behind them. What has an attempt that is not settled keeps its place.
func (d *Dispatcher) moveOver(ctx context.Context, sender Sender, until time.Time) error {
	to := d.spare(ctx, sender)
	if to == "" {
		return nil
	}
	now := d.cfg.Now()
	aside := now.Add(asideFor)
	if until.After(now) && until.Before(aside) {
		aside = until
	}
	due, err := d.cfg.Feed.Due(ctx, sender.Name, now, laneDepth/2)
	if err != nil {
		return err
	}
	var group errgroup.Group
	var changed atomic.Bool
	group.SetLimit(readersAtOnce) // they share commits
	for _, ref := range due {
		group.Go(func() error {
			_, err := d.cfg.Sends.Apply(ctx, ref.ID, func(s *survey.State) error {
				err := survey.Move(s, sender.Name, ref.Epoch, to, survey.ReasonMisconfigured, now)
				if errors.Is(err, survey.ErrConflict) {
					return survey.PutOff(s, sender.Name, ref.Epoch, aside)
				}
				return err
			})
			if errors.Is(err, survey.ErrConflict) {
				return nil // another has it, or an attempt of it is not settled
			}
			changed.Store(true)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("move what waits for %s: %w", sender.Name, err)
	}
	if changed.Load() {
		d.Wake()
	}
	return nil
}

const driverViberBot = "viber-bot"

// fit reports whether a sender can send now.
func (d *Dispatcher) fit(ctx context.Context, lane string) bool {
	_, _, state := d.health.allow(ctx, lane)
	return state == StateOK
}
