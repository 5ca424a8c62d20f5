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
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// The kinds of shops.
const (
	Shopify     = "shopify"
	WooCommerce = "woocommerce"
	Stripe      = "stripe"
)

// A Shop is who may tell of its orders.
type Shop struct {
	Kind           string
	Secret         string      // of the signature; Stripe's with its whsec_
	PreviousSecret string      // holds beside Secret while it is changed; "" = none
	Country        string      // ISO 3166, of phone numbers when an order names none; "" = only international ones are read
	Mode           survey.Mode // Test makes test sends only; what the shop calls a test never makes others
}

// A Taker fires the trigger rules on an event. When it returns, the sends that follow are on disk: those firings have
// an id.
type Taker interface {
	Take(ctx context.Context, e survey.TransactionEvent) ([]survey.Firing, error)
}

// A ShopMemory knows which events of a shop were taken in.
type ShopMemory interface {
	ShopEventSeen(ctx context.Context, shop, key string) (bool, error)
	SawShopEvent(ctx context.Context, shop, key string) error
}

// A ShopInbox keeps raw webhooks that are left to a person, and closes them for the workers.
type ShopInbox interface {
	Recorder
	DoneInbound(ctx context.Context, ids []string, result string) error
}

// ErrUnsure is of an Eraser that cannot tell whom a shop means: the request is kept in the inbox for a person.
var ErrUnsure = errors.New("it is not sure who is to be erased")

// An Eraser forgets a person of whom a shop of a mode says so; a shop of mode test has no say in live people. Any id of
// the recipient may be empty, but not all. It may give ErrUnsure.
type Eraser interface {
	Erase(ctx context.Context, shop string, mode survey.Mode, who survey.Recipient) error
}

// Shops serves /v1/triggers/{kind}/{id}. The signature is the key.
type Shops struct {
	Shops    map[string]Shop // by id
	Triggers Taker
	Memory   ShopMemory
	Inbox    ShopInbox
	Eraser   Eraser                      // nil: requests to erase are kept in the inbox for a person
	Locale   func(string) (string, bool) // brings a BCP 47 tag into a locale of ours
	IDs      *survey.IDSource
	Log      *slog.Logger
	Now      func() time.Time
}

// maxShopBody of a webhook of a shop; web lets as much through.
const maxShopBody = 1 << 20

// Mount adds the route.
func (s *Shops) Mount(r fiber.Router) { r.Post("/v1/triggers/:kind/:id", s.handle) }

// A shopCall is a webhook as it came.
type shopCall struct {
	id     string // of the shop
	shop   Shop
	header http.Header
	body   []byte
	now    time.Time
}

// A notice is what a webhook tells.
type notice struct {
	key     string // the same for every repetition
	event   survey.TransactionEvent
	order   order             // what the event is made of
	ignored string            // why nothing follows; "" = an event
	erase   *survey.Recipient // nil: nobody
	person  bool              // a person has to look at it
}

// handle answers 200 once what follows is on disk, 401 for a wrong signature, 400 for what it cannot read, and 5xx
// when the shop has to call again.
func (s *Shops) handle(c *fiber.Ctx) error {
	id, kind := c.Params("id"), c.Params("kind")
	shop, ok := s.Shops[id]
	if !ok || shop.Kind != kind {
		return fmt.Errorf("no shop %q of kind %q: %w", id, kind, survey.ErrNotFound)
	}
	if enc := c.Get(fiber.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		return fiber.NewError(http.StatusUnsupportedMediaType, "send the webhook without Content-Encoding")
	}
	call := shopCall{id: id, shop: shop, header: header(c), body: bytes.Clone(c.BodyRaw()), now: s.Now()}
	if len(call.body) > maxShopBody {
		return fiber.NewError(http.StatusRequestEntityTooLarge, "a shop's webhook may have at most 1 MiB")
	}
	if ping(call) {
		return answerShop(c, "", "ping", nil)
	}
	if err := verify(call); err != nil {
		s.Log.WarnContext(c.UserContext(), "webhook refused", "shop", id, "error", err)
		return unsigned(err)
	}
	n, err := readShop(call)
	if err != nil {
		if keepErr := s.keep(c.UserContext(), call, "unreadable"); keepErr != nil {
			return keepErr
		}
		s.Log.WarnContext(c.UserContext(), "webhook not understood, kept", "shop", id, "error", err)
		return problem("unreadable_message", "the webhook is signed and cannot be read, its raw body is kept: "+err.Error())
	}
	fired, err := s.take(c.UserContext(), call, &n)
	if err != nil {
		return err
	}
	return answerShop(c, n.key, n.ignored, fired)
}

// take acts on a notice.
func (s *Shops) take(ctx context.Context, call shopCall, n *notice) ([]survey.Firing, error) {
	if n.ignored == "" || n.erase != nil {
		seen, err := s.Memory.ShopEventSeen(ctx, call.id, n.key)
		if err != nil {
			return nil, fmt.Errorf("look up event of shop %s: %w", call.id, err)
		}
		if seen {
			n.ignored = "repeated"
			return nil, nil
		}
	}
	switch {
	case n.erase != nil && s.Eraser != nil:
		switch err := s.Eraser.Erase(ctx, call.id, call.shop.Mode, *n.erase); {
		case errors.Is(err, ErrUnsure):
			return nil, s.leave(ctx, call, n)
		case err != nil:
			return nil, fmt.Errorf("erase for shop %s: %w", call.id, err)
		}
		return nil, s.remember(ctx, call, n)
	case n.person || n.erase != nil:
		return nil, s.leave(ctx, call, n)
	case n.ignored != "":
		return nil, nil
	}
	n.event = s.event(call, n)
	fired, err := s.Triggers.Take(ctx, n.event)
	if err != nil {
		return nil, fmt.Errorf("take event of shop %s: %w", call.id, err)
	}
	return fired, s.remember(ctx, call, n)
}

// leave keeps a request for a person, and says so.
func (s *Shops) leave(ctx context.Context, call shopCall, n *notice) error {
	s.Log.ErrorContext(ctx, "a shop asks for what a person has to do; its request is in the inbox", "shop", call.id, "asks", n.ignored)
	return s.keep(ctx, call, "ignored")
}

func (s *Shops) remember(ctx context.Context, call shopCall, n *notice) error {
	if err := s.Memory.SawShopEvent(ctx, call.id, n.key); err != nil {
		return fmt.Errorf("remember event of shop %s: %w", call.id, err)
	}
	return nil
}

// keep puts a raw webhook into the inbox with its result.
func (s *Shops) keep(ctx context.Context, call shopCall, result string) error {
	id := s.IDs.New(survey.InboundPrefix, call.now)
	fresh, err := s.Inbox.PutInbound(ctx, survey.Inbound{
		ID: id, Sender: "shop:" + call.id, Mode: call.shop.Mode, Endpoint: call.header.Get(shopifyTopic) + call.header.Get(wooTopic),
		Key: digest(call.body), Header: kept(call.header), Body: call.body, At: call.now,
	})
	if err != nil {
		return fmt.Errorf("keep webhook of shop %s: %w", call.id, err)
	}
	if !fresh {
		return nil
	}
	if err := s.Inbox.DoneInbound(ctx, []string{id}, result); err != nil {
		return fmt.Errorf("close webhook of shop %s: %w", call.id, err)
	}
	return nil
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// readShop is the pure part: what the bytes say. A panic of it is an error, so that what it cannot read is kept.
func readShop(call shopCall) (n notice, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("read webhook: %v", v)
		}
	}()
	switch call.shop.Kind {
	case Shopify:
		return readShopify(call)
	case WooCommerce:
		return readWoo(call)
	case Stripe:
		return readStripe(call)
	default:
		return notice{}, errors.New("no such kind of shop")
	}
}

// unsigned says why a webhook is not believed.
func unsigned(err error) error {
	if errors.Is(err, channels.ErrSignature) {
		return problem("invalid_signature",
			"the signature does not match: check the secret of this shop in the configuration, and that nothing on the way changes the body")
	}
	return problem("invalid_signature", err.Error())
}

// answerShop tells what followed, for whoever looks at the shop's own record of webhooks. It names nobody.
func answerShop(c *fiber.Ctx, key, ignored string, fired []survey.Firing) error {
	sends := make([]map[string]any, len(fired))
	for i, f := range fired {
		sends[i] = map[string]any{"trigger": f.Trigger.ID}
		if f.Skipped != "" {
			sends[i]["skipped"] = f.Skipped
		} else {
			sends[i]["id"], sends[i]["status"] = f.Send.ID, f.Send.Status
		}
	}
	answer := map[string]any{"event": key, "sends": sends}
	if ignored != "" {
		answer["ignored"] = ignored
	}
	return c.JSON(answer)
}
