package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// A suppressionResult is what became of one line of a list.
type suppressionResult struct {
	Line   int          `json:"line,omitempty"`  // of NDJSON, from 1
	Index  *int         `json:"index,omitempty"` // of an array, from 0
	Status int          `json:"status"`
	Error  *web.Problem `json:"error,omitempty"`
}

// A suppressionsResult is the answer to a list.
type suppressionsResult struct {
	Accepted int                 `json:"accepted"`
	Refused  int                 `json:"refused"`
	Items    []suppressionResult `json:"items"` // those that were refused
}

// addSuppressions is POST /v1/suppressions/batch: what is good goes through, whatever is wrong beside it.
func (a *API) addSuppressions(c *fiber.Ctx) error {
	kind, err := mediaType(c, mediaJSON, mediaNDJSON)
	if err != nil {
		return err
	}
	if _, err := queryOf(c); err != nil {
		return err
	}
	split, lines := splitArray, kind == mediaNDJSON
	if lines {
		split = splitLines
	}
	entries, err := split(string(c.Request().Body()))
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return web.NewProblem(web.CodeEmptyBatch, "the list has no addresses in it")
	}
	out := suppressionsResult{Items: []suppressionResult{}}
	all := make([]survey.Suppression, 0, len(entries))
	for i := range entries {
		s, errs := a.suppressionOf(&entries[i])
		if errs == nil {
			a.stamp(c, &s)
			all = append(all, s)
			continue
		}
		if !lines {
			errs = within(errs, entries[i].at)
		}
		p := web.ProblemOf(errs).At(a.cfg.PublicURL, web.RequestID(c))
		p.Status = http.StatusUnprocessableEntity
		r := suppressionResult{Status: p.Status, Error: p}
		if lines {
			r.Line = entries[i].at
		} else {
			r.Index = &entries[i].at
		}
		out.Items = append(out.Items, r)
	}
	out.Accepted, out.Refused = len(all), len(out.Items)
	if len(all) > 0 {
		if err := a.cfg.Suppressions.SuppressAll(c.UserContext(), all); err != nil {
			return fmt.Errorf("suppress: %w", err)
		}
	}
	return sendJSON(c, http.StatusOK, out)
}

// suppressionOf reads one line.
func (a *API) suppressionOf(e *entry) (survey.Suppression, survey.InvalidError) {
	if e.errs != nil {
		return survey.Suppression{}, e.errs
	}
	r := a.readers.take(e.src)
	defer a.readers.give(r)
	s := a.suppression(r, false)
	r.end()
	errs, _ := r.err()
	return s, errs
}

// within brings the pointers of one element to the whole array.
func within(errs survey.InvalidError, at int) survey.InvalidError {
	out := slices.Clone(errs)
	for i := range out {
		out[i].Pointer = "/" + strconv.Itoa(at) + out[i].Pointer
	}
	return out
}
