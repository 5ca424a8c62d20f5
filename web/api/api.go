// Package api is the HTTP interface for programs: /v1, its description and its reference.
package api

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// An Accepted is the answer to one send: the send itself, or the stored one that it repeats.
type Accepted = survey.AcceptedSend

// An Idempotency asks that an answer is kept together with what it answers.
type Idempotency = survey.Idempotency

// A Replay is a kept answer.
type Replay = survey.Replay

// A SendFilter chooses sends.
type SendFilter = survey.SendFilter

// A ResponseFilter chooses responses.
type ResponseFilter = survey.ResponseFilter

// A SendStore keeps sends. Accept returns when they are safe on disk; with an Idempotency whose key another call
// took meanwhile it stores nothing and gives survey.ErrIdempotencyTaken. A thing that is not there is survey.ErrNotFound.
type SendStore interface {
	Accept(ctx context.Context, sends []survey.Send, idem *Idempotency) ([]Accepted, error)
	Replay(ctx context.Context, actor, key string, since time.Time) (Replay, bool, error)
	Send(ctx context.Context, id string) (survey.Send, []survey.Attempt, error)
	Sends(ctx context.Context, f SendFilter) (items []survey.Send, next string, err error)
	Events(ctx context.Context, sendID, cursor string, limit int) ([]survey.Event, string, error)
}

// A Canceller ends a send. A send that is over already is survey.ErrConflict.
type Canceller interface {
	Cancel(ctx context.Context, id, actor string) (survey.Send, error)
}

// A ResponseStore keeps responses.
type ResponseStore interface {
	Responses(ctx context.Context, f ResponseFilter) (items []survey.Response, next string, err error)
	Response(ctx context.Context, id string) (survey.Response, error)
}

// A KeyStore keeps API keys.
type KeyStore interface {
	Keys(ctx context.Context) ([]auth.Key, error)
	CreateKey(ctx context.Context, k auth.Key) error
	RevokeKey(ctx context.Context, id string, now time.Time) error
}

// A SuppressionStore keeps the addresses that are not written to. Lift gives survey.ErrNotFound when there is no
// such suppression.
type SuppressionStore interface {
	Suppressions(ctx context.Context, mode survey.Mode, cursor string, limit int) (items []survey.Suppression, next string, err error)
	SuppressAll(ctx context.Context, all []survey.Suppression) error
	Lift(ctx context.Context, l survey.Lift) error
}

// A Previewer tells what would become of a send, and stores nothing. What it cannot read is survey.ErrUnavailable.
type Previewer interface {
	Preview(ctx context.Context, s survey.Send) (map[string]any, error)
}

// Triggers hold transaction events against the trigger rules. Decide gives for each event what its rules say, with
// planned sends, and takes the places of daily caps; with dry it takes none. What it cannot read or plan is survey.ErrUnavailable.
type Triggers interface {
	Decide(ctx context.Context, events []survey.TransactionEvent, dry bool) ([][]survey.Firing, error)
}

// A Sender is a configured channel identity, as callers may know it.
type Sender struct {
	Name    string         `json:"name"`
	Channel survey.Channel `json:"channel"`
	Driver  string         `json:"driver"`
}

// sandboxDriver is the one driver that a test key can reach.
const sandboxDriver = "sandbox"

// Config is what New needs. Preview, Wake and Triggers may be nil.
type Config struct {
	PublicURL    string // without a slash at the end
	Now          func() time.Time
	IDs          *survey.IDSource
	Auth         *auth.Keys
	Sends        SendStore
	Cancel       Canceller
	Responses    ResponseStore
	Keys         KeyStore
	Suppressions SuppressionStore
	Contacts     ContactStore
	Eraser       Eraser
	Planner      Planner
	Preview      Previewer
	Ops          Ops
	Triggers     Triggers                    // nil: there are no rules
	Wake         func()                      // called after sends were accepted; must not wait
	Surveys      []survey.Survey             // at least one
	Senders      []Sender                    //
	Locale       func(string) (string, bool) // brings a locale into the form in which it is kept
	Locales      []string                    // those that Locale knows, for people
}

// An API answers the calls under /v1.
type API struct {
	cfg     Config
	sends   *sendDecoder
	brands  []string // of the surveys, sorted
	readers readers
	flights flights
	batches chan struct{} // one place for each batch that is read at the same time
	routes  []route
	docs    *web.Docs
}

// parallelBatches bounds the memory of batches: each takes some 40 MiB while it is read.
const parallelBatches = 2

// A route is one call. Path has its parameters in braces.
type route struct {
	method, path string
	scope        string
	handle       fiber.Handler
}

// New checks what it was given.
func New(cfg Config) (*API, error) {
	switch {
	case cfg.Now == nil || cfg.IDs == nil || cfg.Auth == nil:
		return nil, errors.New("api: clock, ids and keys are needed")
	case cfg.Sends == nil || cfg.Cancel == nil || cfg.Responses == nil || cfg.Keys == nil || cfg.Suppressions == nil:
		return nil, errors.New("api: a store is missing")
	case cfg.Contacts == nil || cfg.Eraser == nil:
		return nil, errors.New("api: the store of contacts is missing")
	case cfg.Planner == nil || cfg.Locale == nil || len(cfg.Surveys) == 0:
		return nil, errors.New("api: planner, locales and surveys are needed")
	}
	if err := cfg.Ops.check(); err != nil {
		return nil, err
	}
	if cfg.Wake == nil {
		cfg.Wake = func() {}
	}
	a := &API{cfg: cfg, batches: make(chan struct{}, parallelBatches)}
	a.sends = &sendDecoder{
		surveys: make(map[string]survey.Survey, len(cfg.Surveys)), locale: cfg.Locale, locales: cfg.Locales,
		planner: cfg.Planner, phones: newPhones(),
	}
	for _, s := range cfg.Surveys {
		a.sends.surveys[s.ID] = s
		a.sends.names = append(a.sends.names, s.ID)
		a.brands = append(a.brands, s.Brand)
	}
	slices.Sort(a.sends.names)
	slices.Sort(a.brands)
	a.brands = slices.Compact(a.brands)
	a.routes = []route{
		{fiber.MethodPost, "/v1/sends", auth.SendsWrite, a.createSend},
		{fiber.MethodPost, "/v1/sends/batch", auth.SendsWrite, a.createBatch},
		{fiber.MethodGet, "/v1/sends", auth.SendsRead, a.listSends},
		{fiber.MethodGet, "/v1/sends/{id}", auth.SendsRead, a.showSend},
		{fiber.MethodGet, "/v1/sends/{id}/events", auth.SendsRead, a.listEvents},
		{fiber.MethodPost, "/v1/sends/{id}/cancel", auth.SendsWrite, a.cancelSend},
		{fiber.MethodPost, "/v1/events", auth.SendsWrite, a.createEvents},
		{fiber.MethodGet, "/v1/responses", auth.ResponsesRead, a.listResponses},
		{fiber.MethodGet, "/v1/responses/{id}", auth.ResponsesRead, a.showResponse},
		{fiber.MethodGet, "/v1/surveys", auth.SendsRead, a.listSurveys},
		{fiber.MethodGet, "/v1/keys", auth.KeysWrite, a.listKeys},
		{fiber.MethodPost, "/v1/keys", auth.KeysWrite, a.createKey},
		{fiber.MethodPost, "/v1/keys/{id}/revoke", auth.KeysWrite, a.revokeKey},
		{fiber.MethodGet, "/v1/suppressions", auth.SendsRead, a.listSuppressions},
		{fiber.MethodPost, "/v1/suppressions", auth.SendsWrite, a.addSuppression},
		{fiber.MethodPost, "/v1/suppressions/batch", auth.SendsWrite, a.addSuppressions},
		{fiber.MethodGet, "/v1/contacts", auth.ContactsRead, a.listContacts},
		{fiber.MethodGet, "/v1/contacts/{id}", auth.ContactsRead, a.showContact},
		{fiber.MethodGet, "/v1/contacts/{id}/export", auth.ContactsRead, a.exportContact},
		{fiber.MethodPost, "/v1/contacts/{id}/merge", auth.ContactsWrite, a.mergeContact},
		{fiber.MethodPost, "/v1/contacts/{id}/consents", auth.ContactsWrite, a.recordConsent},
		{fiber.MethodPost, "/v1/contacts/{id}/erase", auth.ContactsWrite, a.eraseContact},
		{fiber.MethodPost, "/v1/suppressions/lift", auth.SendsWrite, a.liftSuppression},
	}
	a.routes = append(a.routes, a.opsRoutes()...)
	a.docs = web.NewDocs(openapi, cfg.PublicURL)
	return a, nil
}

// openapi describes every call, for programs and for people.
//
//go:embed openapi.yaml
var openapi []byte

// Mount puts the calls, their description and their reference on a server made by web.New.
func (a *API) Mount(app fiber.Router) {
	a.docs.Mount(app)
	for _, r := range a.routes {
		path := strings.NewReplacer("{", ":", "}", "").Replace(r.path)
		app.Add(r.method, path, web.RequireKey(a.cfg.Auth, r.scope), r.handle)
	}
}

// now is the present as the store keeps it.
func (a *API) now() time.Time { return a.cfg.Now().UTC().Truncate(time.Microsecond) }

// Media types of bodies.
const (
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
)

// mediaType gives the media type of the body without parameters; a charset other than UTF-8 is a problem, and so
// is any type but the allowed ones.
func mediaType(c *fiber.Ctx, allowed ...string) (string, error) {
	given := c.Get(fiber.HeaderContentType)
	kind, parameters, _ := strings.Cut(given, ";")
	kind = lower(strings.TrimSpace(kind))
	switch kind {
	case "application/ndjson", "application/jsonl", "application/x-jsonlines":
		kind = mediaNDJSON
	}
	charset := lower(parameters)
	if _, value, ok := strings.Cut(charset, "charset="); ok && strings.Trim(value, `" `) != "utf-8" {
		return "", web.NewProblem(web.CodeMediaType, "the body has to be UTF-8")
	}
	if !slices.Contains(allowed, kind) {
		return "", web.NewProblem(web.CodeMediaType, fmt.Sprintf("the Content-Type is %q; send the header «Content-Type: %s»",
			clip(given), cmp.Or(strings.Join(allowed, "» or «"), mediaJSON)))
	}
	return kind, nil
}

// A query is the checked query of a call.
type query struct{ c *fiber.Ctx }

// queryOf refuses parameters that are none of known.
func queryOf(c *fiber.Ctx, known ...string) (query, error) {
	var err error
	c.Request().URI().QueryArgs().VisitAll(func(name, _ []byte) {
		if slices.Contains(known, string(name)) {
			return
		}
		detail := fmt.Sprintf("the query has an unknown parameter %q", clip(string(name)))
		if near := survey.Nearest(string(name), known); near != "" {
			detail += fmt.Sprintf("; did you mean %q?", near)
		} else if len(known) > 0 {
			detail += "; known here are " + strings.Join(known, ", ")
		}
		err = web.NewProblem(web.CodeBadRequest, detail)
	})
	return query{c}, err
}

// dryRun tells whether the call is only to say what it would do.
func (q query) dryRun() (bool, error) {
	switch dry := q.c.Query("dry_run"); dry {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, web.NewProblem(web.CodeBadRequest, fmt.Sprintf("dry_run is %q; it has to be true or false", clip(dry)))
	}
}

// Bounds of a page of a list.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// page gives cursor and limit.
func (q query) page() (cursor string, limit int, err error) {
	limit = defaultLimit
	if given := q.c.Query("limit"); given != "" {
		n := 0
		for _, d := range given {
			if d < '0' || d > '9' || n > maxLimit {
				n = 0
				break
			}
			n = n*10 + int(d-'0')
		}
		if n < 1 || n > maxLimit {
			return "", 0, web.NewProblem(web.CodeBadRequest, fmt.Sprintf("limit is %q; it has to be from 1 to %d", clip(given), maxLimit))
		}
		limit = n
	}
	cursor = q.c.Query("cursor")
	if len(cursor) > 512 {
		return "", 0, web.NewProblem(web.CodeBadRequest, "this is no cursor; take it from «next» of the page before")
	}
	return cursor, limit, nil
}

// unlisted is why a list cannot be given. A cursor that no page gave is refused as every parameter of a query is, not as a member.
func unlisted(what string, err error) error {
	if wrong, ok := errors.AsType[survey.InvalidError](err); ok && len(wrong) > 0 {
		return web.NewProblem(web.CodeBadRequest, wrong[0].Detail)
	}
	return fmt.Errorf("list %s: %w", what, err)
}
