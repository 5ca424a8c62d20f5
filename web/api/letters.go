package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// A letterView is a dead letter as callers see it.
type letterView struct {
	SendID      string        `json:"send_id"`
	Survey      string        `json:"survey"`
	ContactID   string        `json:"contact_id"`
	Transaction string        `json:"transaction_id,omitempty"`
	Reason      survey.Reason `json:"reason"`
	Sender      string        `json:"sender"` // of the last attempt, as fault and code; "" when none was made
	Fault       string        `json:"fault"`
	Code        string        `json:"code"`
	CreatedAt   time.Time     `json:"created_at"`
	FailedAt    time.Time     `json:"failed_at"`
}

func viewLetter(l survey.Letter) letterView {
	m := l.Send
	return letterView{
		m.ID, m.Survey, m.ContactID, m.Transaction.ID, m.Reason, l.Sender, l.Fault, l.Code, m.CreatedAt.UTC(), m.UpdatedAt.UTC(),
	}
}

// A letterCountView is a class of dead letters.
type letterCountView struct {
	Reason survey.Reason `json:"reason"`
	Sender string        `json:"sender"`
	Fault  string        `json:"fault"`
	Code   string        `json:"code"`
	Count  int64         `json:"count"`
	First  time.Time     `json:"first_at"`
	Last   time.Time     `json:"last_at"`
}

// letterFilter reads the conditions of a query.
func letterFilter(c *fiber.Ctx) (survey.LetterFilter, error) {
	f := survey.LetterFilter{
		Mode: web.Key(c).Mode, Survey: c.Query("survey"), Reason: survey.Reason(c.Query("reason")), Sender: c.Query("sender"),
		Fault: c.Query("fault"), Code: c.Query("code"),
	}
	if f.Reason != "" && !slices.Contains(survey.DeadLetterReasons(), f.Reason) {
		return f, web.NewProblem(web.CodeBadRequest, noLetterReason(string(f.Reason)))
	}
	if since := c.Query("since"); since != "" {
		t, err := time.Parse(time.RFC3339, since)
		if err != nil {
			return f, web.NewProblem(web.CodeBadRequest, fmt.Sprintf("since is %q; write it like 2026-11-20T14:03:00Z", clip(since)))
		}
		f.Since = t.UTC()
	}
	return f, nil
}

func noLetterReason(given string) string {
	return fmt.Sprintf("%q is no reason of a dead letter; there are %v", clip(given), survey.DeadLetterReasons())
}

// listLetters is GET /v1/dead-letters.
func (a *API) listLetters(c *fiber.Ctx) error {
	q, err := queryOf(c, "reason", "sender", "survey", "fault", "code", "since", "cursor", "limit")
	if err != nil {
		return err
	}
	f, err := letterFilter(c)
	if err != nil {
		return err
	}
	if f.Cursor, f.Limit, err = q.page(); err != nil {
		return err
	}
	items, next, err := a.cfg.Ops.Letters.Letters(c.UserContext(), f)
	if err != nil {
		return unlisted("dead letters", err)
	}
	views := make([]letterView, len(items))
	for i, l := range items {
		views[i] = viewLetter(l)
	}
	return sendList(c, views, next)
}

// sumLetters is GET /v1/dead-letters/summary.
func (a *API) sumLetters(c *fiber.Ctx) error {
	if _, err := queryOf(c, "reason", "sender", "survey", "fault", "code", "since"); err != nil {
		return err
	}
	f, err := letterFilter(c)
	if err != nil {
		return err
	}
	groups, more, err := a.cfg.Ops.Letters.LetterSummary(c.UserContext(), f)
	if err != nil {
		return fmt.Errorf("count dead letters: %w", err)
	}
	views := make([]letterCountView, len(groups))
	var total int64
	for i, g := range groups {
		views[i] = letterCountView{g.Reason, g.Sender, g.Fault, g.Code, g.Count, g.First.UTC(), g.Last.UTC()}
		total += g.Count
	}
	return sendJSON(c, http.StatusOK, map[string]any{"items": views, "total": total, "more": more})
}

// A replayView is the answer to a replay.
type replayView struct {
	Replayed int64    `json:"replayed"`
	Refused  []string `json:"refused,omitempty"` // ids that are no dead letter
	More     bool     `json:"more"`              // call again, with cursor
	Cursor   string   `json:"cursor,omitempty"`
}

// replayLetters is POST /v1/dead-letters/replay: these, or all of a class.
func (a *API) replayLetters(c *fiber.Ctx) error {
	src, err := jsonBody(c)
	if err != nil {
		return err
	}
	ids, f, err := a.readReplay(src)
	if err != nil {
		return err
	}
	f.Mode = web.Key(c).Mode
	actor := web.Key(c).ID
	var v replayView
	if ids != nil {
		v.Replayed, v.Refused, err = a.cfg.Ops.Letters.ReplayIDs(c.UserContext(), f.Mode, ids, actor)
	} else {
		v.Replayed, v.Cursor, err = a.cfg.Ops.Letters.ReplayLetters(c.UserContext(), f, actor, bulkBudget)
		v.More = v.Cursor != ""
	}
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	a.cfg.Wake()
	status := http.StatusOK
	if v.More {
		status = http.StatusAccepted
	}
	return sendJSON(c, status, v)
}

func (a *API) readReplay(src string) (ids []string, f survey.LetterFilter, err error) {
	r := a.readers.take(src)
	defer a.readers.give(r)
	chosen := false
	for ok := r.begin(); ok && r.more(); {
		switch name := r.name(); name {
		case "ids":
			ids = sendIDs(r)
		case "reason":
			f.Reason = survey.Reason(strings.Clone(r.text(maxWord)))
			letterReason(r, f.Reason)
		case "sender":
			f.Sender = strings.Clone(r.text(maxWord))
		case "fault":
			f.Fault = strings.Clone(r.text(maxWord))
		case "code":
			f.Code = strings.Clone(r.text(maxWord))
		case "survey":
			f.Survey = strings.Clone(r.text(maxWord))
			a.sends.survey(r, f.Survey)
		case "since":
			f.Since = r.time()
		case "cursor":
			f.Cursor = strings.Clone(r.text(maxWord))
		default:
			r.unknown(name, "ids", "reason", "sender", "fault", "code", "survey", "since", "cursor")
		}
	}
	chosen = f.Reason != "" || f.Sender != "" || f.Fault != "" || f.Code != "" || f.Survey != "" || !f.Since.IsZero()
	switch {
	case len(r.errs) > 0 || r.fault != nil:
	case ids == nil && !chosen:
		r.wrongAt("", web.CodeMissingMember, "says not which dead letters; give ids, or reason, sender, fault, code, survey or since")
	case ids != nil && (chosen || f.Cursor != ""):
		r.wrongAt("/ids", web.CodeInvalidValue, "stands beside a class; give ids alone, or a class without them")
	}
	return ids, f, r.finish()
}

func letterReason(r *reader, given survey.Reason) {
	switch {
	case given == "" || r.fault != nil:
	case given == survey.ReasonUncertain:
		r.wrong(web.CodeInvalidValue, `"uncertain" ones may have been delivered; ask the provider, then name those that were not by their ids`)
	case !slices.Contains(survey.DeadLetterReasons(), given):
		r.wrong(web.CodeInvalidValue, strconv.Quote(clip(string(given)))+" is no reason of a dead letter; GET /v1/dead-letters/summary shows those that there are")
	}
}
