package api

import (
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// listResponses is GET /v1/responses.
func (a *API) listResponses(c *fiber.Ctx) error {
	q, err := queryOf(c, "survey", "send", "segment", "cursor", "limit")
	if err != nil {
		return err
	}
	f := ResponseFilter{
		Mode: web.Key(c).Mode, Survey: c.Query("survey"), SendID: c.Query("send"), Segment: survey.Segment(c.Query("segment")),
	}
	if f.Cursor, f.Limit, err = q.page(); err != nil {
		return err
	}
	switch f.Segment {
	case "", survey.Promoter, survey.Passive, survey.Detractor:
	default:
		return web.NewProblem(web.CodeBadRequest, fmt.Sprintf("%q is no segment; there are promoter, passive, detractor", clip(string(f.Segment))))
	}
	items, next, err := a.cfg.Responses.Responses(c.UserContext(), f)
	if err != nil {
		return unlisted("responses", err)
	}
	views := make([]responseView, len(items))
	for i, r := range items {
		views[i] = viewResponse(r)
	}
	return sendList(c, views, next)
}

// showResponse is GET /v1/responses/{id}.
func (a *API) showResponse(c *fiber.Ctx) error {
	id := c.Params("id")
	if _, ok := survey.RawID(survey.ResponsePrefix, id); !ok {
		return fmt.Errorf("%w: no response has such an id", survey.ErrNotFound)
	}
	r, err := a.cfg.Responses.Response(c.UserContext(), id)
	if err != nil {
		return fmt.Errorf("look up response: %w", err)
	}
	if r.Mode != web.Key(c).Mode {
		return survey.ErrNotFound
	}
	return sendJSON(c, http.StatusOK, viewResponse(r))
}

// listSurveys is GET /v1/surveys.
func (a *API) listSurveys(c *fiber.Ctx) error {
	if _, err := queryOf(c); err != nil {
		return err
	}
	return sendList(c, a.cfg.Surveys, "")
}
