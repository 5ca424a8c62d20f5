package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// How long an answer is kept, and the headers of it.
const (
	idempotencyLife   = 24 * time.Hour
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"
)

// flights are the calls with a key that have begun here and not ended.
type flights struct {
	mu  sync.Mutex
	out map[flight]struct{} // guarded by mu
}

type flight struct{ actor, key string }

func (f *flights) start(x flight) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, busy := f.out[x]; busy {
		return false
	}
	if f.out == nil {
		f.out = make(map[flight]struct{})
	}
	f.out[x] = struct{}{}
	return true
}

func (f *flights) end(x flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.out, x)
}

// An accept stores something and composes the answer; idem is nil when nobody asked for the answer to be kept.
type accept func(ctx context.Context, idem *Idempotency) (status int, body []byte, err error)

// once does something, or gives the answer of when it was done under the same Idempotency-Key. Refused calls are
// not kept: corrected, they may use their key again.
func (a *API) once(c *fiber.Ctx, body []byte, do accept) error {
	ctx := c.UserContext()
	key := c.Get(idempotencyHeader)
	if key == "" && len(c.Request().Header.Peek(idempotencyHeader)) == 0 {
		status, answer, err := do(ctx, nil)
		if err != nil {
			return err
		}
		return send(c, status, answer)
	}
	if !visible(key) {
		return web.NewProblem(web.CodeIdempotencyKey, fmt.Sprintf(
			"the Idempotency-Key has %d bytes; it has to be from 1 to 255 visible ASCII characters", len(key)))
	}
	idem := &Idempotency{
		Actor: web.Key(c).ID, Key: key, Hash: fingerprint(c.Method(), c.Path(), body), Since: a.now().Add(-idempotencyLife),
	}
	call := flight{idem.Actor, key}
	if !a.flights.start(call) {
		p := web.NewProblem(web.CodeInFlight, "a call with this Idempotency-Key is under way; wait a second and send it again")
		p.RetryAfter = "1"
		return p
	}
	defer a.flights.end(call)
	if kept, err := a.replay(c, idem); kept || err != nil {
		return err
	}
	status, answer, err := do(ctx, idem)
	if errors.Is(err, survey.ErrIdempotencyTaken) { // another process was faster
		if kept, replayErr := a.replay(c, idem); kept || replayErr != nil {
			return replayErr
		}
	}
	if err != nil {
		return err
	}
	return send(c, status, answer)
}

// replay gives the kept answer, if there is one of the same call.
func (a *API) replay(c *fiber.Ctx, idem *Idempotency) (bool, error) {
	kept, found, err := a.cfg.Sends.Replay(c.UserContext(), idem.Actor, idem.Key, idem.Since)
	switch {
	case err != nil:
		return false, fmt.Errorf("look up idempotency key: %w", err)
	case !found:
		return false, nil
	case kept.Hash != idem.Hash:
		return false, web.NewProblem(web.CodeMismatch, "this Idempotency-Key was used for another body or path at "+
			kept.At.UTC().Format(time.RFC3339)+"; use a new key for a new thing")
	}
	c.Set(replayedHeader, "true")
	return true, send(c, kept.Status, kept.Body)
}

func visible(key string) bool {
	if key == "" || len(key) > 255 {
		return false
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

func fingerprint(method, path string, body []byte) (sum [32]byte) {
	h := sha256.New()
	_, _ = h.Write([]byte(method + "\n" + path + "\n")) // a hash takes everything
	_, _ = h.Write(body)
	h.Sum(sum[:0])
	return sum
}

// send writes a JSON answer.
func send(c *fiber.Ctx, status int, body []byte) error {
	c.Set(fiber.HeaderContentType, mediaJSON)
	if status == http.StatusOK {
		c.Set(fiber.HeaderCacheControl, "no-store") // answers hold addresses of people
	}
	return c.Status(status).Send(body)
}
