package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// A cancelView is the answer to a cancel of many.
type cancelView struct {
	Cancelled int64 `json:"cancelled"`
	More      bool  `json:"more"` // call again
}

// cancelMany is POST /v1/sends/cancel. It answers 200 when all are cancelled, and 202 when the caller has to call again.
func (a *API) cancelMany(c *fiber.Ctx) error {
	if _, err := mediaType(c, mediaJSON); err != nil {
		return err
	}
	q, err := queryOf(c, "dry_run")
	if err != nil {
		return err
	}
	dry, err := q.dryRun()
	if err != nil {
		return err
	}
	f, err := a.readCancel(string(c.Request().Body()))
	if err != nil {
		return err
	}
	f.Mode = web.Key(c).Mode
	if dry {
		n, err := a.cfg.Ops.Bulk.CountPending(c.UserContext(), f)
		if err != nil {
			return fmt.Errorf("count pending sends: %w", err)
		}
		return sendJSON(c, http.StatusOK, map[string]any{"dry_run": true, "matching": n})
	}
	n, more, err := a.cfg.Ops.Bulk.CancelMany(c.UserContext(), f, web.Key(c).ID, bulkBudget)
	if err != nil {
		return fmt.Errorf("cancel many: %w", err)
	}
	status := http.StatusOK
	if more {
		status = http.StatusAccepted
	}
	return sendJSON(c, status, cancelView{n, more})
}

func (a *API) readCancel(src string) (survey.CancelFilter, error) {
	r := a.readers.take(src)
	defer a.readers.give(r)
	var f survey.CancelFilter
	for ok := r.begin(); ok && r.more(); {
		switch name := r.name(); name {
		case "survey":
			f.Survey = strings.Clone(r.text(maxWord))
			a.sends.survey(r, f.Survey)
		case "transaction_type":
			f.TransactionType = strings.Clone(r.text(maxWord))
		case "touchpoint":
			f.Touchpoint = strings.Clone(r.text(maxWord))
		case "created_before":
			f.CreatedBefore = r.time()
		case "ids":
			f.IDs = sendIDs(r)
		default:
			r.unknown(name, "survey", "transaction_type", "touchpoint", "created_before", "ids")
		}
	}
	if f.Empty() && len(r.errs) == 0 && r.fault == nil {
		r.wrongAt("", web.CodeMissingMember, "says not which sends; give survey, transaction_type, touchpoint, created_before or ids")
	}
	return f, r.finish()
}
