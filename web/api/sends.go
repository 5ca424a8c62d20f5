package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// createSend is POST /v1/sends.
func (a *API) createSend(c *fiber.Ctx) error {
	if _, err := mediaType(c, mediaJSON); err != nil {
		return err
	}
	q, err := queryOf(c, "dry_run")
	if err != nil {
		return err
	}
	body := c.Request().Body() // neither inflated nor copied
	switch dry, err := q.dryRun(); {
	case err != nil:
		return err
	case dry:
		return a.previewSend(c, string(body))
	}
	return a.once(c, body, func(ctx context.Context, idem *Idempotency) (int, []byte, error) {
		s, err := a.read(c, string(body))
		if err != nil {
			return 0, nil, err
		}
		s.ID = a.cfg.IDs.New(survey.SendPrefix, s.CreatedAt)
		return a.accept(ctx, []survey.Send{s}, idem, func(done []Accepted) (int, []byte) {
			return http.StatusAccepted, appendAccepted(make([]byte, 0, 256), done[0])
		})
	})
}

// accept keeps sends, with the answer to them when idem asks for it, also when there are none.
func (a *API) accept(ctx context.Context, sends []survey.Send, idem *Idempotency, compose func([]Accepted) (int, []byte)) (int, []byte, error) {
	var done []Accepted
	if idem != nil {
		idem.Compose = compose
	}
	if len(sends) > 0 || idem != nil {
		var err error
		if done, err = a.cfg.Sends.Accept(ctx, sends, idem); err != nil {
			return 0, nil, fmt.Errorf("accept sends: %w", err)
		}
	}
	if len(sends) > 0 {
		a.cfg.Wake()
	}
	status, body := compose(done)
	return status, body, nil
}

// read makes a send of a body. Its strings are parts of src.
func (a *API) read(c *fiber.Ctx, src string) (survey.Send, error) {
	key := web.Key(c)
	s, errs, _ := a.sends.decode(src, key.Mode, key.ID, a.now())
	switch err := unplanned(errs); {
	case err != nil:
		return survey.Send{}, err
	case errs != nil:
		return survey.Send{}, errs
	}
	return s, nil
}

func (a *API) previewSend(c *fiber.Ctx, src string) error {
	if a.cfg.Preview == nil {
		return web.NewProblem(web.CodePreview, "this installation cannot decide without storing; send by a test key instead: it reaches nobody")
	}
	s, err := a.read(c, src)
	if err != nil {
		return err
	}
	decision, err := a.cfg.Preview.Preview(c.UserContext(), s)
	if err != nil {
		return fmt.Errorf("preview send: %w", err)
	}
	return sendJSON(c, http.StatusOK, decision)
}

// appendAccepted writes the answer to one accepted send.
func appendAccepted(to []byte, done Accepted) []byte {
	to = append(to, '{')
	to = appendAcceptedMembers(to, done)
	return append(to, '}')
}

func appendAcceptedMembers(to []byte, done Accepted) []byte {
	to = append(to, `"id":"`...)
	to = append(to, done.ID...)
	to = append(to, `","status":"`...)
	to = append(to, done.Send.Status...)
	to = append(to, `","duplicate":`...)
	to = strconv.AppendBool(to, done.Duplicate)
	to = append(to, `,"survey":`...)
	to = appendString(to, done.Send.Survey)
	to = append(to, `,"locale":`...)
	to = appendString(to, done.Send.Locale)
	if !done.Send.DueAt.IsZero() {
		to = append(to, `,"due_at":"`...)
		to = done.Send.DueAt.UTC().AppendFormat(to, time.RFC3339Nano)
		to = append(to, '"')
	}
	return to
}

func appendString(to []byte, s string) []byte {
	to, _ = jsontext.AppendQuote(to, s) // invalid UTF-8 is replaced, and reported to nobody: it cannot get here
	return to
}

// listSends is GET /v1/sends.
func (a *API) listSends(c *fiber.Ctx) error {
	q, err := queryOf(c, "survey", "status", "transaction", "contact", "cursor", "limit")
	if err != nil {
		return err
	}
	f := SendFilter{
		Mode: web.Key(c).Mode, Survey: c.Query("survey"), Status: survey.Status(c.Query("status")),
		Transaction: c.Query("transaction"), Contact: c.Query("contact"),
	}
	if f.Cursor, f.Limit, err = q.page(); err != nil {
		return err
	}
	if f.Status != "" && !slices.Contains(survey.Statuses(), f.Status) {
		return web.NewProblem(web.CodeBadRequest, fmt.Sprintf("%q is no status; there are %v", clip(string(f.Status)), survey.Statuses()))
	}
	items, next, err := a.cfg.Sends.Sends(c.UserContext(), f)
	if err != nil {
		return unlisted("sends", err)
	}
	views := make([]sendView, len(items))
	for i, s := range items {
		views[i] = viewSend(s)
	}
	return sendList(c, views, next)
}

// find gives a send of the caller's mode.
func (a *API) find(c *fiber.Ctx) (survey.Send, []survey.Attempt, error) {
	id := c.Params("id")
	if _, ok := survey.RawID(survey.SendPrefix, id); !ok {
		return survey.Send{}, nil, fmt.Errorf("%w: no send has such an id", survey.ErrNotFound)
	}
	s, attempts, err := a.cfg.Sends.Send(c.UserContext(), id)
	if err != nil {
		return s, nil, fmt.Errorf("look up send: %w", err)
	}
	if s.Mode != web.Key(c).Mode {
		return survey.Send{}, nil, survey.ErrNotFound
	}
	return s, attempts, nil
}

// showSend is GET /v1/sends/{id}.
func (a *API) showSend(c *fiber.Ctx) error {
	s, attempts, err := a.find(c)
	if err != nil {
		return err
	}
	v := viewSend(s)
	views := make([]attemptView, len(attempts))
	for i, at := range attempts {
		views[i] = viewAttempt(at)
	}
	v.Attempts = &views
	return sendJSON(c, http.StatusOK, v)
}

// listEvents is GET /v1/sends/{id}/events.
func (a *API) listEvents(c *fiber.Ctx) error {
	q, err := queryOf(c, "cursor", "limit")
	if err != nil {
		return err
	}
	cursor, limit, err := q.page()
	if err != nil {
		return err
	}
	s, _, err := a.find(c)
	if err != nil {
		return err
	}
	items, next, err := a.cfg.Sends.Events(c.UserContext(), s.ID, cursor, limit)
	if err != nil {
		return unlisted("events of "+s.ID, err)
	}
	return sendList(c, items, next)
}

// cancelSend is POST /v1/sends/{id}/cancel.
func (a *API) cancelSend(c *fiber.Ctx) error {
	s, _, err := a.find(c)
	if err != nil {
		return err
	}
	if s, err = a.cfg.Cancel.Cancel(c.UserContext(), s.ID, web.Key(c).ID); err != nil {
		return fmt.Errorf("cancel %s: %w", c.Params("id"), err)
	}
	return sendJSON(c, http.StatusOK, viewSend(s))
}
