package console

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

// A sendersView is the page of senders, those in trouble first.
type sendersView struct {
	page
	Rows []senderRow
}

type senderRow struct {
	Name, Channel, Icon, Driver string
	State, Mark                 string
	Why, Code                   string
	Since, Until                time.Time
	Pending                     string
	Waiting                     bool // something is due on it, now or later
	Late                        bool // and should have gone by now
	OldestDue                   time.Time
	Share                       string // of its rate, "" when all
	Rests                       bool
}

// lateAfter is how long a due send may wait before the page says so: rates and retries take their time.
const lateAfter = time.Minute

func (c *Console) senders(f *fiber.Ctx) error {
	lanes, err := c.deps.Ops.Lanes.Lanes(f.UserContext())
	if err != nil {
		return fmt.Errorf("state of senders: %w", err)
	}
	v := sendersView{page: c.pageOf(f, "Senders", "senders")}
	for _, s := range c.deps.Ops.Senders {
		l := survey.LaneState{Name: s.Name, State: survey.LaneOK, Factor: 1}
		if i := slices.IndexFunc(lanes, func(l survey.LaneState) bool { return l.Name == s.Name }); i >= 0 {
			l = lanes[i]
		}
		v.Rows = append(v.Rows, c.senderRow(s, l))
	}
	slices.SortStableFunc(v.Rows, func(a, b senderRow) int { return rankOfMark(a.Mark) - rankOfMark(b.Mark) })
	if name := f.Query("resumed"); name != "" && slices.ContainsFunc(v.Rows, func(r senderRow) bool { return r.Name == name }) {
		v.Toast = "Sender " + name + " is tried again now."
	}
	return c.show(f, "senders", v)
}

func rankOfMark(mark string) int {
	switch mark {
	case "bad":
		return 0
	case "warn":
		return 1
	default:
		return 2
	}
}

func (c *Console) senderRow(s Sender, l survey.LaneState) senderRow {
	row := senderRow{
		Name: s.Name, Channel: channelName(s.Channel), Icon: iconOf(s.Channel), Driver: s.Driver, Since: l.Since, Until: l.Until,
		Pending: waits(l), Waiting: l.Pending > 0, OldestDue: l.OldestDue, Rests: l.Alarm(),
	}
	row.Late = row.Waiting && c.deps.Now().Sub(l.OldestDue) > lateAfter
	why := alarmOf(l)
	row.Why, row.Code = capital(why.Why), why.Code
	switch l.State {
	case survey.LanePaused:
		row.State, row.Mark = "Paused", "bad"
	case survey.LaneOpen:
		row.State, row.Mark = "Resting", "bad"
	case survey.LaneSlowed:
		row.State, row.Mark = "Slowed", "warn"
		if row.Why == "" {
			row.Why = "The provider asked for fewer messages"
		}
		row.Share = fmt.Sprintf("%d %% of its rate", int(math.Ceil(l.Factor*100)))
	default:
		row.State, row.Mark = "Well", "good"
	}
	return row
}

func iconOf(ch survey.Channel) string {
	switch ch {
	case survey.Email:
		return "mail"
	case survey.Viber:
		return "viber"
	default:
		return "sms"
	}
}

// resume wakes a sender that rests.
func (c *Console) resume(f *fiber.Ctx) error {
	name := strings.Clone(f.Params("name"))
	if !slices.ContainsFunc(c.deps.Ops.Senders, func(s Sender) bool { return s.Name == name }) {
		return survey.ErrNotFound
	}
	if err := c.deps.Ops.Lanes.Resume(f.UserContext(), name); err != nil {
		return fmt.Errorf("resume %s: %w", name, err)
	}
	c.deps.Log.InfoContext(f.UserContext(), "sender resumed", "sender", name, "actor", sessionOf(f).UserID)
	return f.Redirect(root+"/senders?resumed="+url.QueryEscape(name), http.StatusSeeOther)
}
