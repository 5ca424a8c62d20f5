// Package webhooks takes what providers call back with: it authenticates, keeps the raw bytes, and answers at once. What the bytes say is
// understood later (law 9).
package webhooks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// A Recorder keeps a raw callback; fresh is false when the same one is kept already.
type Recorder interface {
	PutInbound(ctx context.Context, in survey.Inbound) (fresh bool, err error)
}

// A Sender is who may be called back.
type Sender struct {
	Driver string
	Via    channels.Receiver
}

// Inbound serves /webhooks/{driver}/{sender}[/{endpoint}].
type Inbound struct {
	Recorder  Recorder
	Senders   map[string]Sender // by name
	PublicURL string            // what providers call us by, without a slash at its end; signatures cover it
	IDs       *survey.IDSource
	Wake      func() // called after something fresh was kept
	Log       *slog.Logger
	Now       func() time.Time
}

// maxBody of a callback; Viber's and Twilio's stay below.
const maxBody = 64 << 10

// Mount adds the routes.
func (in *Inbound) Mount(r fiber.Router) {
	r.Post("/webhooks/:driver/:sender", in.handle)
	r.Post("/webhooks/:driver/:sender/:endpoint", in.handle)
}

// handle answers 200 for what is kept, also for repetitions and for events that nobody knows: a provider must not repeat those.
// It answers 401 for a wrong signature, 404 for an endpoint that the driver does not have, and 5xx when nothing could be kept, so that the provider calls again.
func (in *Inbound) handle(c *fiber.Ctx) error {
	sender, ok := in.Senders[c.Params("sender")]
	if !ok || sender.Driver != c.Params("driver") {
		return fmt.Errorf("no sender %q of driver %q takes callbacks: %w", c.Params("sender"), c.Params("driver"), survey.ErrNotFound)
	}
	if enc := c.Get(fiber.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return fiber.NewError(http.StatusUnsupportedMediaType, "send the callback without Content-Encoding")
	}
	body := bytes.Clone(c.BodyRaw())
	if len(body) > maxBody {
		return fiber.NewError(http.StatusRequestEntityTooLarge, "a callback may have at most 64 KiB")
	}
	cb := channels.Callback{
		URL:      strings.TrimSuffix(in.PublicURL, "/") + string(c.Request().RequestURI()),
		Endpoint: c.Params("endpoint"), Header: header(c), Body: body,
	}
	if err := sender.Via.Authenticate(cb); err != nil {
		if errors.Is(err, channels.ErrSignature) {
			in.Log.WarnContext(c.UserContext(), "callback refused", "sender", c.Params("sender"), "error", err)
			return problem("invalid_signature",
				"the signature does not match: check the sender's credentials and that public_url is exactly what the provider calls")
		}
		return problem("unreadable_message", "the callback cannot be read: "+err.Error())
	}
	if err := in.checkEndpoint(c, sender); err != nil {
		in.Log.WarnContext(c.UserContext(), "callback refused", "sender", c.Params("sender"), "error", err)
		return err
	}
	now := in.Now()
	fresh, err := in.Recorder.PutInbound(c.UserContext(), survey.Inbound{
		ID: in.IDs.New(survey.InboundPrefix, now), Sender: c.Params("sender"), Mode: survey.Live, Endpoint: cb.Endpoint,
		URL: cb.URL, Key: key(sender.Via, cb), Header: kept(cb.Header), Body: body, At: now,
	})
	if err != nil {
		return fmt.Errorf("keep callback of %s: %w", c.Params("sender"), err)
	}
	if fresh {
		in.Wake()
	}
	kind, answer := sender.Via.Acknowledge(cb)
	c.Set(fiber.HeaderContentType, kind)
	return c.Send(answer)
}

// checkEndpoint gives a problem that lists the endpoints of the driver when this is none of them.
func (in *Inbound) checkEndpoint(c *fiber.Ctx, s Sender) error {
	via, ok := s.Via.(channels.Endpointer)
	if !ok || slices.Contains(via.Endpoints(), c.Params("endpoint")) {
		return nil
	}
	var known []string
	for _, e := range via.Endpoints() {
		known = append(known, strings.TrimSuffix(in.PublicURL, "/")+"/webhooks/"+s.Driver+"/"+c.Params("sender")+"/"+e)
	}
	return problem("not_found", fmt.Sprintf(
		"the driver %s cannot read what is called at %q, and nothing was kept: let the provider call %s", s.Driver, c.Path(), strings.Join(known, " or ")))
}

// problem is what web answers by one of its codes, whose table has the status.
func problem(code, detail string) error {
	return survey.InvalidError{{Code: code, Detail: detail}}
}

// key is the same for every repetition of a callback: the provider's own where it has one, else what the bytes are.
func key(via channels.Receiver, cb channels.Callback) string {
	sum := sha256.New()
	sum.Write([]byte(cb.URL))
	sum.Write([]byte{0})
	sum.Write(cb.Body)
	k := hex.EncodeToString(sum.Sum(nil))
	updates, err := read(via, cb)
	if err != nil || len(updates) == 0 {
		return k
	}
	keys := make([]string, len(updates))
	for i, u := range updates {
		if u.Key == "" {
			return k
		}
		keys[i] = u.Key
	}
	if joined := strings.Join(keys, " "); len(joined) <= 200 {
		return joined
	}
	return k
}

// read is Read, whose panic is an error: what a driver cannot read is kept all the same (law 9).
func read(via channels.Receiver, cb channels.Callback) (updates []channels.Update, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("read callback: %v", v)
		}
	}()
	return via.Read(cb)
}

// kept leaves out what is only of the connection, and every credential.
func kept(h http.Header) map[string][]string {
	out := make(map[string][]string)
	for name, values := range h {
		switch http.CanonicalHeaderKey(name) {
		case "Content-Type", "User-Agent", "I-Twilio-Idempotency-Token":
			out[http.CanonicalHeaderKey(name)] = values
		}
	}
	return out
}

func header(c *fiber.Ctx) http.Header {
	h := make(http.Header)
	c.Request().Header.VisitAll(func(k, v []byte) { h.Add(string(k), string(v)) })
	return h
}
