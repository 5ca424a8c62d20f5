package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

// replayBudget is how long one press of a button works: well within the deadline of a request.
const replayBudget = 8 * time.Second

// A lettersView is the page of dead letters: the classes, and the letters of one or of all.
type lettersView struct {
	page
	Groups []letterGroup
	Total  string
	Class  *letterGroup // the one that is chosen
	Rows   []letterRow
	Next   string // address of the next page, "" at the end
}

type letterGroup struct {
	Reason, Sender, Fault, Code string
	Words                       string // the reason for people
	Help                        string
	Count                       string
	First, Last                 time.Time
	Unsure                      bool // may have been delivered: replayed one by one
	On                          bool
	Path                        string
}

type letterRow struct {
	sendRow
	Sender, Why string
	Class       string
}

// letterHelp says what to do about each reason.
func letterHelp(why survey.Reason) string {
	switch why {
	case survey.ReasonAttempts:
		return "The provider failed for a while on every try. Replay when it is well again."
	case survey.ReasonProviderRejected:
		return "The provider refuses the message. Look the code up, mend the text or the sender, then replay."
	case survey.ReasonUnreachable:
		return "The address does not exist or cannot be reached. Replaying rarely helps."
	case survey.ReasonMisconfigured:
		return "The provider refuses the sender. Mend its configuration, then replay."
	case survey.ReasonRender:
		return "The message could not be made of its text. Mend it in Messages; sends keep the version they were accepted with."
	case survey.ReasonNoSender:
		return "The sender of the plan is not configured any more. Put it back, then replay."
	case survey.ReasonNoAddress:
		return "The person has no address on the channel. Replaying rarely helps."
	case survey.ReasonUncertain:
		return "It was never known whether the provider took it. Ask the provider, then replay those that it did not take."
	default:
		return ""
	}
}

// classOf reads a class from a query or a form.
func classOf(value func(string) string) survey.LetterFilter {
	return survey.LetterFilter{
		Reason: survey.Reason(value("reason")), Sender: value("sender"), Fault: value("fault"), Code: value("code"), Exact: true,
	}
}

func (c *Console) letters(f *fiber.Ctx) error {
	ctx := f.UserContext()
	groups, more, err := c.deps.Ops.Letters.LetterSummary(ctx, survey.LetterFilter{})
	if err != nil {
		return fmt.Errorf("count dead letters: %w", err)
	}
	var filter survey.LetterFilter
	if f.Query("reason") != "" {
		filter = classOf(func(name string) string { return f.Query(name) })
	}
	filter.Cursor, filter.Limit = f.Query("cursor"), recentSends
	items, next, err := c.deps.Ops.Letters.Letters(ctx, filter)
	if err != nil && !badCursor(err) {
		return fmt.Errorf("list dead letters: %w", err)
	}
	v := lettersView{page: c.pageOf(f, "Dead letters", "letters")}
	var total int64
	for _, g := range groups {
		row := letterGroupOf(g)
		row.On = filter.Reason == g.Reason && filter.Sender == g.Sender && filter.Fault == g.Fault && filter.Code == g.Code
		total += g.Count
		v.Groups = append(v.Groups, row)
		if row.On {
			v.Class = &row
		}
	}
	if v.Total = thousands(total); more {
		v.Total = "more than " + v.Total
	}
	for _, l := range items {
		row := letterRow{sendRow: c.sendRow(l.Send), Sender: l.Sender, Class: strings.TrimSpace(l.Fault + " " + l.Code)}
		row.Reason = capital(row.Reason)
		v.Rows = append(v.Rows, row)
	}
	if next != "" {
		q := url.Values{"cursor": {next}}
		if v.Class != nil {
			q.Set("reason", v.Class.Reason)
			q.Set("sender", v.Class.Sender)
			q.Set("fault", v.Class.Fault)
			q.Set("code", v.Class.Code)
		}
		v.Next = root + "/letters?" + q.Encode()
	}
	v.Toast = replayToast(f)
	return c.show(f, "letters", v)
}

func letterGroupOf(g survey.LetterCount) letterGroup {
	q := url.Values{"reason": {string(g.Reason)}, "sender": {g.Sender}, "fault": {g.Fault}, "code": {g.Code}}
	return letterGroup{
		Reason: string(g.Reason), Sender: g.Sender, Fault: g.Fault, Code: g.Code, Help: letterHelp(g.Reason),
		Words: capital(strings.ReplaceAll(string(g.Reason), "_", " ")), Count: thousands(g.Count), First: g.First, Last: g.Last,
		Unsure: g.Reason == survey.ReasonUncertain, Path: root + "/letters?" + q.Encode(),
	}
}

// replayToast says what the last press of a button did.
func replayToast(f *fiber.Ctx) string {
	n, err := strconv.ParseInt(f.Query("replayed"), 10, 64)
	if err != nil || n < 0 {
		return ""
	}
	words := thousands(n) + " sends are due again."
	if n == 1 {
		words = "1 send is due again."
	}
	switch {
	case f.Query("left") != "":
		words += " Some are left: press again."
	case f.Query("refused") != "":
		words += " The others were no dead letters any more."
	}
	return words
}

// replay opens the chosen letters, or a whole class, again.
func (c *Console) replay(f *fiber.Ctx) error {
	q, ctx, actor := url.Values{}, f.UserContext(), sessionOf(f).UserID
	ids := postedAll(f, "id", recentSends)
	class := classOf(func(name string) string { return posted(f, name) })
	switch {
	case posted(f, "what") == "class" && class.Reason != "" && class.Reason != survey.ReasonUncertain:
		n, cursor, err := c.deps.Ops.Letters.ReplayLetters(ctx, class, actor, replayBudget)
		if err != nil {
			return fmt.Errorf("replay a class: %w", err)
		}
		q.Set("replayed", strconv.FormatInt(n, 10))
		if cursor != "" {
			q.Set("left", "1")
		}
	case posted(f, "what") == "chosen" && len(ids) > 0:
		n, refused, err := c.deps.Ops.Letters.ReplayIDs(ctx, "", ids, actor)
		if err != nil {
			return fmt.Errorf("replay %d sends: %w", len(ids), err)
		}
		q.Set("replayed", strconv.FormatInt(n, 10))
		if len(refused) > 0 {
			q.Set("refused", "1")
		}
	}
	if c.deps.Ops.Wake != nil {
		c.deps.Ops.Wake()
	}
	to := root + "/letters"
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return f.Redirect(to, http.StatusSeeOther)
}

// postedAll are the values of a name that a form has several times, at most limit.
func postedAll(f *fiber.Ctx, name string, limit int) (out []string) {
	for _, v := range f.Request().PostArgs().PeekMulti(name) {
		if len(out) < limit {
			out = append(out, string(v))
		}
	}
	return out
}
