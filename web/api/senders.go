package api

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// A senderView is a sender and how it is doing, as callers see it.
type senderView struct {
	Sender
	State       string     `json:"state"` // ok, slowed, open or paused
	Reason      string     `json:"reason,omitempty"`
	Code        string     `json:"code,omitempty"`
	Since       *time.Time `json:"since,omitempty"`
	Until       *time.Time `json:"until,omitempty"`
	Factor      float64    `json:"factor"` // share of its rate that it uses
	Pending     int64      `json:"pending"`
	PendingMore bool       `json:"pending_more"` // there are more than pending
	OldestDue   *time.Time `json:"oldest_due,omitempty"`
}

func viewSender(s Sender, l survey.LaneState) senderView {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	v := senderView{
		Sender: s, State: cmp.Or(l.State, survey.LaneOK), Reason: l.Reason, Code: l.Code, Since: at(l.Since), Until: at(l.Until),
		Factor: l.Factor, Pending: l.Pending, PendingMore: l.More, OldestDue: at(l.OldestDue),
	}
	if v.State == survey.LaneOK && v.Factor == 0 {
		v.Factor = 1
	}
	return v
}

// reaches reports whether the caller's key can reach a sender (law 11).
func reaches(c *fiber.Ctx, s Sender) bool {
	return web.Key(c).Mode == survey.Live || s.Driver == sandboxDriver
}

// listSenders is GET /v1/senders: those that the key can reach.
func (a *API) listSenders(c *fiber.Ctx) error {
	if _, err := queryOf(c); err != nil {
		return err
	}
	lanes, err := a.cfg.Ops.Lanes.Lanes(c.UserContext())
	if err != nil {
		return fmt.Errorf("state of senders: %w", err)
	}
	var views []senderView
	for _, s := range a.cfg.Senders {
		if reaches(c, s) {
			views = append(views, viewSender(s, laneOf(lanes, s.Name)))
		}
	}
	return sendList(c, views, "")
}

func laneOf(lanes []survey.LaneState, name string) survey.LaneState {
	for _, l := range lanes {
		if l.Name == name {
			return l
		}
	}
	return survey.LaneState{Name: name}
}

// resumeSender is POST /v1/senders/{name}/resume: a sender that rests is tried again at once.
func (a *API) resumeSender(c *fiber.Ctx) error {
	name := strings.Clone(c.Params("name"))
	for _, s := range a.cfg.Senders {
		if s.Name != name || !reaches(c, s) {
			continue
		}
		if err := a.cfg.Ops.Lanes.Resume(c.UserContext(), name); err != nil {
			return fmt.Errorf("resume %s: %w", name, err)
		}
		a.cfg.Wake()
		lanes, err := a.cfg.Ops.Lanes.Lanes(c.UserContext())
		if err != nil {
			return fmt.Errorf("state of senders: %w", err)
		}
		return sendJSON(c, http.StatusOK, viewSender(s, laneOf(lanes, name)))
	}
	return fmt.Errorf("%w: no sender has this name", survey.ErrNotFound)
}
