package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/api"
	"github.com/odziv/odziv/web/console"
)

// ops is what the calls and pages for operators stand on.
func (g *gateway) ops() api.Ops { return api.Ops{Bulk: g.store, Letters: g.store, Lanes: lanes{g}} }

// consoleOps is the same for the console.
func (g *gateway) consoleOps() console.Ops {
	o := console.Ops{Lanes: lanes{g}, Letters: g.store, Wake: g.work.Wake}
	for _, s := range slices.Concat(g.senders, g.spare) {
		o.Senders = append(o.Senders, console.Sender{Name: s.Name, Channel: s.Channel, Driver: s.Driver})
	}
	return o
}

// lanes tells how the senders are doing: what waits for them by the store, whether they rest by the dispatcher.
type lanes struct{ *gateway }

// Lanes gives every configured sender, in the order of the configuration.
func (g lanes) Lanes(ctx context.Context) ([]survey.LaneState, error) {
	loads, err := g.store.LaneLoads(ctx)
	if err != nil {
		return nil, fmt.Errorf("what waits in the lanes: %w", err)
	}
	states, err := g.work.Lanes(ctx)
	if err != nil {
		return nil, fmt.Errorf("state of the lanes: %w", err)
	}
	var all []survey.LaneState
	for _, s := range slices.Concat(g.senders, g.spare) {
		of := func(l survey.LaneState) bool { return l.Name == s.Name }
		l := survey.LaneState{Name: s.Name, State: survey.LaneOK, Factor: 1}
		if i := slices.IndexFunc(states, of); i >= 0 {
			l = states[i]
		}
		if i := slices.IndexFunc(loads, of); i >= 0 {
			l.Pending, l.More, l.OldestDue = loads[i].Pending, loads[i].More, loads[i].OldestDue
		}
		all = append(all, l)
	}
	return all, nil
}

// Alarms gives the senders for which somebody has to look. It is asked for by every page: the store is left out.
func (g lanes) Alarms(ctx context.Context) ([]survey.LaneState, error) {
	states, err := g.work.Lanes(ctx)
	if err != nil {
		return nil, fmt.Errorf("state of the lanes: %w", err)
	}
	return slices.DeleteFunc(states, func(l survey.LaneState) bool { return !l.Alarm() }), nil
}

// Resume wakes a sender that rests.
func (g lanes) Resume(ctx context.Context, name string) error { return g.work.Resume(ctx, name) }
