package dispatch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/odziv/odziv/survey"
)

// Lanes gives the state of every sender, by name.
func (d *Dispatcher) Lanes(ctx context.Context) ([]survey.LaneState, error) {
	out := make([]survey.LaneState, 0, len(d.cfg.Senders))
	for _, lane := range slices.Sorted(maps.Keys(d.cfg.Senders)) {
		s, err := d.pace.slowness(ctx, lane)
		if err != nil {
			return nil, err
		}
		out = append(out, laneState(lane, d.health.look(ctx, lane), s, d.cfg.Now()))
	}
	return out, nil
}

func laneState(lane string, c condition, s slowness, now time.Time) survey.LaneState {
	out := survey.LaneState{Name: lane, State: string(c.state), Reason: c.reason, Code: c.code, Since: c.since, Until: c.until, Factor: s.factor}
	switch {
	case c.state != StateOK && !c.until.After(now):
		out.Reason += "; being tried again"
	case c.state == StateOK && !s.rest.IsZero():
		out.State, out.Reason, out.Since, out.Until = string(StateSlowed), "its provider asked to wait", s.since, s.rest
	case c.state == StateOK && s.factor < 1:
		out.State, out.Reason, out.Since, out.Until = string(StateSlowed), "its provider asked for fewer messages", s.since, s.full
	}
	return out
}

// Resume lets a sender that rests or is slowed send again at once. The error is survey.ErrNotFound for an unknown sender.
func (d *Dispatcher) Resume(ctx context.Context, lane string) error {
	if _, ok := d.cfg.Senders[lane]; !ok {
		return fmt.Errorf("resume sender %s: %w", lane, survey.ErrNotFound)
	}
	if err := d.health.resume(ctx, lane); err != nil {
		return err
	}
	if err := d.pace.hurry(ctx, lane); err != nil {
		return err
	}
	d.Wake()
	return nil
}
