package api

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// Media types of CloudEvents.
//
// Source: CloudEvents HTTP protocol binding 1.0.2, section 3.
const (
	mediaCloudEvent  = "application/cloudevents+json"
	mediaCloudEvents = "application/cloudevents-batch+json"
)

// createEvents is POST /v1/events: one transaction event, plain or as a CloudEvent, or a batch of CloudEvents. What
// is wrong with one of a batch refuses all.
func (a *API) createEvents(c *fiber.Ctx) error {
	kind, err := mediaType(c, mediaJSON, mediaCloudEvent, mediaCloudEvents)
	if err != nil {
		return err
	}
	q, err := queryOf(c, "dry_run")
	if err != nil {
		return err
	}
	call := eventCall{kind: kind, key: web.Key(c), headers: cloudHeaders(c), src: string(c.Request().Body())}
	if len(call.headers) > 0 && kind != mediaJSON {
		return web.NewProblem(web.CodeBadRequest, "the headers ce-… are of the binary mode, the Content-Type is of another; send one of them")
	}
	switch dry, err := q.dryRun(); {
	case err != nil:
		return err
	case dry:
		return a.previewEvents(c, call)
	}
	return a.once(c, call.fingerprint(), func(ctx context.Context, idem *Idempotency) (int, []byte, error) {
		return a.acceptEvents(ctx, call, idem)
	})
}

func (a *API) acceptEvents(ctx context.Context, call eventCall, idem *Idempotency) (int, []byte, error) {
	events, err := a.sends.events(call, a.now())
	if err != nil {
		return 0, nil, err
	}
	fired, err := a.decideEvents(ctx, events, false)
	if err != nil {
		return 0, nil, err
	}
	var sends []survey.Send
	for _, firings := range fired {
		for i := range firings {
			if f := &firings[i]; f.Skipped == "" {
				f.Send.ID = a.cfg.IDs.New(survey.SendPrefix, f.Send.CreatedAt)
				sends = append(sends, f.Send)
			}
		}
	}
	return a.accept(ctx, sends, idem, func(done []Accepted) (int, []byte) {
		return http.StatusAccepted, appendFired(make([]byte, 0, 512), events, fired, done, call.kind == mediaCloudEvents)
	})
}

func (a *API) decideEvents(ctx context.Context, events []survey.TransactionEvent, dry bool) ([][]survey.Firing, error) {
	if a.cfg.Triggers == nil {
		return make([][]survey.Firing, len(events)), nil
	}
	fired, err := a.cfg.Triggers.Decide(ctx, events, dry)
	if err != nil {
		return nil, fmt.Errorf("fire triggers: %w", err)
	}
	return fired, nil
}

// appendFired writes what became of events; done are the accepted sends, in their order.
func appendFired(to []byte, events []survey.TransactionEvent, fired [][]survey.Firing, done []Accepted, list bool) []byte {
	if list {
		to = append(to, `{"items":[`...)
	}
	next := 0
	for i := range events {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"event":`...)
		to = appendString(to, events[i].ID)
		to = append(to, `,"sends":[`...)
		for k, f := range fired[i] {
			if k > 0 {
				to = append(to, ',')
			}
			if f.Skipped != "" {
				to = append(to, mustJSON(skippedView(f))...)
				continue
			}
			to = append(to, `{"trigger":`...)
			to = appendString(to, f.Trigger.ID)
			to = append(to, ',')
			to = appendAcceptedMembers(to, done[next])
			to = append(to, '}')
			next++
		}
		to = append(to, `]}`...)
	}
	if list {
		to = append(to, `]}`...)
	}
	return to
}

func skippedView(f survey.Firing) map[string]any {
	v := map[string]any{"trigger": f.Trigger.ID, "skipped": f.Skipped}
	if len(f.Saw) > 0 {
		v["saw"] = f.Saw
	}
	return v
}

// previewEvents tells what would become of events, and stores nothing.
func (a *API) previewEvents(c *fiber.Ctx, call eventCall) error {
	events, err := a.sends.events(call, a.now())
	if err != nil {
		return err
	}
	fired, err := a.decideEvents(c.UserContext(), events, true)
	if err != nil {
		return err
	}
	items := make([]map[string]any, len(events))
	for i, e := range events {
		sends := make([]map[string]any, len(fired[i]))
		for k, f := range fired[i] {
			if sends[k], err = a.previewFiring(c.UserContext(), f); err != nil {
				return err
			}
		}
		items[i] = map[string]any{"event": e.ID, "sends": sends}
	}
	if call.kind == mediaCloudEvents {
		return sendJSON(c, http.StatusOK, list[map[string]any]{Items: items})
	}
	return sendJSON(c, http.StatusOK, items[0])
}

func (a *API) previewFiring(ctx context.Context, f survey.Firing) (map[string]any, error) {
	if f.Skipped != "" {
		return skippedView(f), nil
	}
	v := map[string]any{"trigger": f.Trigger.ID, "survey": f.Send.Survey, "locale": f.Send.Locale, "due_at": f.Send.DueAt}
	if a.cfg.Preview == nil {
		return v, nil
	}
	decision, err := a.cfg.Preview.Preview(ctx, f.Send)
	if err != nil {
		return nil, fmt.Errorf("preview send of trigger %s: %w", f.Trigger.ID, err)
	}
	maps.Copy(v, decision)
	return v, nil
}

// cloudHeaders are the attributes of a CloudEvent in binary mode, by their names in lower case without ce-; nil when
// the call is none.
func cloudHeaders(c *fiber.Ctx) map[string]string {
	var found map[string]string
	c.Request().Header.VisitAll(func(k, v []byte) {
		if name, ok := strings.CutPrefix(lower(string(k)), "ce-"); ok {
			if found == nil {
				found = make(map[string]string, 8)
			}
			found[name] = string(v)
		}
	})
	return found
}

// fingerprint is the body, and what else tells two calls apart.
func (call eventCall) fingerprint() []byte {
	var b bytes.Buffer
	for _, name := range []string{"id", "source", "type", "time"} {
		if v, ok := call.headers[name]; ok {
			b.WriteString(name + ": " + v + "\n")
		}
	}
	b.WriteString(call.src)
	return b.Bytes()
}
