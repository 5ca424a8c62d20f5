package console

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

// Ops is what the pages for operators stand on. Lanes and Letters are required.
type Ops struct {
	Lanes   Lanes
	Letters Letters
	Senders []Sender // as configured; never changes
	Wake    func()   // called when sends are due again; must not wait; may be nil
}

// A Sender is a configured channel identity.
type Sender struct {
	Name    string
	Channel survey.Channel
	Driver  string
}

// Lanes tells how senders are doing, and wakes one that rests.
type Lanes interface {
	// Lanes gives what is known of the senders, with what waits for them; one that is not there is well.
	Lanes(ctx context.Context) ([]survey.LaneState, error)
	// Alarms gives those for which somebody has to look. Every page asks: it must cost next to nothing.
	Alarms(ctx context.Context) ([]survey.LaneState, error)
	Resume(ctx context.Context, name string) error
}

// Letters are the sends that failed and were meant to go out.
type Letters interface {
	Letters(ctx context.Context, f survey.LetterFilter) (items []survey.Letter, next string, err error)
	// LetterSummary gives the classes, the most first; more says that not all were counted.
	LetterSummary(ctx context.Context, f survey.LetterFilter) (groups []survey.LetterCount, more bool, err error)
	// ReplayLetters opens a class again; when budget is over, cursor is not "" and some are left.
	ReplayLetters(ctx context.Context, f survey.LetterFilter, actor string, budget time.Duration) (n int64, cursor string, err error)
	// ReplayIDs opens these again; mode "" is both. refused are those that are no dead letter.
	ReplayIDs(ctx context.Context, mode survey.Mode, ids []string, actor string) (n int64, refused []string, err error)
}

func (o Ops) check() error {
	if o.Lanes == nil || o.Letters == nil {
		return errors.New("console: a part for operators is missing")
	}
	return nil
}

// registerOps adds the pages for operators.
func (c *Console) registerOps(in fiber.Router) {
	in.Get("/senders", c.senders)
	in.Post("/senders/:name/resume", c.resume)
	in.Get("/letters", c.letters)
	in.Post("/letters/replay", c.replay)
}

// An alarm is a line of the banner.
type alarm struct {
	Name  string
	State string // in words
	Why   string
	Code  string
	Since time.Time
}

// alarms are those that every page shows. When they cannot be had, the page is shown without.
func (c *Console) alarms(f *fiber.Ctx) []alarm {
	if sessionOf(f).UserID == "" {
		return nil
	}
	lanes, err := c.deps.Ops.Lanes.Alarms(f.UserContext())
	if err != nil {
		c.deps.Log.WarnContext(f.UserContext(), "alarms of senders not shown", "error", err)
		return nil
	}
	var out []alarm
	for _, l := range lanes {
		out = append(out, alarmOf(l))
	}
	return out
}

func alarmOf(l survey.LaneState) alarm {
	a := alarm{Name: l.Name, Why: strings.TrimRight(l.Reason, "."), Code: l.Code, Since: l.Since}
	switch l.State {
	case survey.LanePaused:
		a.State = "is paused"
		if a.Why == "" {
			a.Why = "its provider refuses it"
		}
	case survey.LaneOpen:
		a.State = "rests"
		if a.Why == "" {
			a.Why = "call after call failed"
		}
	default:
		a.State = "is " + l.State
	}
	if strings.Contains(a.Why, a.Code) {
		a.Code = ""
	}
	return a
}

// waits is how many sends wait, for people.
func waits(l survey.LaneState) string {
	n := thousands(l.Pending)
	if l.More {
		return "more than " + n
	}
	return n
}

// thousands groups the digits of a number.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
