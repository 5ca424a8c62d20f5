package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// Ops is what the calls for operators stand on: cancel many, dead letters, how the senders are doing. All are needed.
type Ops struct {
	Bulk    BulkStore
	Letters LetterStore
	Lanes   Lanes
}

// A BulkStore cancels many sends. It stops when budget is over: more says that some may be left.
type BulkStore interface {
	CancelMany(ctx context.Context, f survey.CancelFilter, actor string, budget time.Duration) (n int64, more bool, err error)
	CountPending(ctx context.Context, f survey.CancelFilter) (int64, error)
}

// A LetterStore keeps dead letters. ReplayLetters stops when budget is over: cursor is where to go on, "" at the end.
type LetterStore interface {
	Letters(ctx context.Context, f survey.LetterFilter) (items []survey.Letter, next string, err error)
	LetterSummary(ctx context.Context, f survey.LetterFilter) (groups []survey.LetterCount, more bool, err error)
	ReplayLetters(ctx context.Context, f survey.LetterFilter, actor string, budget time.Duration) (n int64, cursor string, err error)
	ReplayIDs(ctx context.Context, mode survey.Mode, ids []string, actor string) (n int64, refused []string, err error)
}

// Lanes tells how senders are doing, and wakes one that rests. A sender that is not in the answer of Lanes is well and
// has nothing to do. Resume of one that does not rest changes nothing.
type Lanes interface {
	Lanes(ctx context.Context) ([]survey.LaneState, error)
	Resume(ctx context.Context, name string) error
}

func (o Ops) check() error {
	if o.Bulk == nil || o.Letters == nil || o.Lanes == nil {
		return errors.New("api: a part for operators is missing")
	}
	return nil
}

// bulkBudget is how long one call works on many sends: well within the deadline of a request.
const bulkBudget = 8 * time.Second

// maxBulkIDs bounds the ids in a body.
const maxBulkIDs = 1000

func (a *API) opsRoutes() []route {
	return []route{
		{fiber.MethodPost, "/v1/sends/cancel", auth.SendsWrite, a.cancelMany},
		{fiber.MethodGet, "/v1/dead-letters", auth.SendsRead, a.listLetters},
		{fiber.MethodGet, "/v1/dead-letters/summary", auth.SendsRead, a.sumLetters},
		{fiber.MethodPost, "/v1/dead-letters/replay", auth.SendsWrite, a.replayLetters},
		{fiber.MethodGet, "/v1/senders", auth.SendsRead, a.listSenders},
		{fiber.MethodPost, "/v1/senders/{name}/resume", auth.SendsWrite, a.resumeSender},
	}
}

// sendIDs reads a list of ids of sends; nil when there is none.
func sendIDs(r *reader) (ids []string) {
	if !r.beginList() {
		return nil
	}
	ids = []string{}
	for r.more() {
		id := r.text(maxWord)
		if _, ok := survey.RawID(survey.SendPrefix, id); !ok && id != "" {
			r.wrong(web.CodeInvalidValue, strconv.Quote(clip(id))+" is no id of a send; it looks like snd_01KAH3Q9V2J8T5N4E6R7W0XYZA")
			continue
		}
		if len(ids) <= maxBulkIDs && id != "" {
			ids = append(ids, strings.Clone(id))
		}
	}
	switch {
	case len(ids) > maxBulkIDs:
		r.wrongAt("/ids", web.CodeTooMany, fmt.Sprintf("has more than %d ids; send them in several calls", maxBulkIDs))
	case len(ids) == 0 && len(r.errs) == 0 && r.fault == nil:
		r.wrongAt("/ids", web.CodeMissingMember, "names no send")
	}
	return ids
}
