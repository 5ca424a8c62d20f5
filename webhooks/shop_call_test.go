package webhooks

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// A shopRig is the shops on fakes.
type shopRig struct {
	app    *fiber.App
	took   []survey.TransactionEvent
	seen   map[string]bool
	inbox  []survey.Inbound
	done   []string
	erased []survey.Recipient
	modes  []survey.Mode // of what was erased
	log    bytes.Buffer
	fault  error // of Take and Erase
}

func (r *shopRig) Take(_ context.Context, e survey.TransactionEvent) ([]survey.Firing, error) {
	if r.fault != nil {
		return nil, r.fault
	}
	r.took = append(r.took, e)
	return []survey.Firing{
		{Trigger: survey.Trigger{ID: "after"}, Send: survey.Send{ID: "snd_1", Status: survey.Accepted}},
		{Trigger: survey.Trigger{ID: "other"}, Skipped: survey.SkipCondition, Saw: map[string]any{"value": "seen-value"}},
	}, nil
}

func (r *shopRig) ShopEventSeen(_ context.Context, shop, key string) (bool, error) {
	return r.seen[shop+" "+key], nil
}

func (r *shopRig) SawShopEvent(_ context.Context, shop, key string) error {
	r.seen[shop+" "+key] = true
	return nil
}

func (r *shopRig) PutInbound(_ context.Context, in survey.Inbound) (bool, error) {
	for _, have := range r.inbox {
		if have.Key == in.Key && have.Sender == in.Sender {
			return false, nil
		}
	}
	r.inbox = append(r.inbox, in)
	return true, nil
}

func (r *shopRig) DoneInbound(_ context.Context, ids []string, result string) error {
	r.done = append(r.done, fmt.Sprint(len(ids), " ", result))
	return nil
}

func (r *shopRig) Erase(_ context.Context, _ string, mode survey.Mode, who survey.Recipient) error {
	if r.fault != nil {
		return r.fault
	}
	r.modes = append(r.modes, mode)
	r.erased = append(r.erased, who)
	return nil
}

func newShopRig(eraser bool) *shopRig {
	fail := func(c *fiber.Ctx, err error) error { // as web does
		p := web.ProblemOf(err).At("https://ask.example.hr", "req_1")
		return c.Status(p.Status).JSON(p)
	}
	r := &shopRig{seen: map[string]bool{}, app: fiber.New(fiber.Config{ErrorHandler: fail})}
	s := &Shops{
		Shops: map[string]Shop{
			"main": {Kind: Shopify, Secret: "s", Country: "HR", Mode: survey.Live}, "woo": {Kind: WooCommerce, Secret: "s", Mode: survey.Live},
			"dev": {Kind: Shopify, Secret: "s", Country: "HR", Mode: survey.Test},
			"pay": {Kind: Stripe, Secret: "s", Mode: survey.Live},
		},
		Triggers: r, Memory: r, Inbox: r, Locale: known, IDs: new(survey.IDSource),
		Log: slog.New(slog.NewTextHandler(&r.log, nil)), Now: func() time.Time { return shopNow },
	}
	if eraser {
		s.Eraser = r
	}
	s.Mount(r.app)
	return r
}

// post signs a body and calls a shop's webhook.
func (r *shopRig) post(t *testing.T, path, topic, body string, headers ...string) (int, string) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	sum := mac("s", []byte(body))
	for _, name := range []string{"X-Shopify-Hmac-Sha256", "X-WC-Webhook-Signature"} {
		req.Header.Set(name, base64.StdEncoding.EncodeToString(sum))
	}
	stamp := fmt.Sprint(shopNow.Unix())
	req.Header.Set("Stripe-Signature", "t="+stamp+",v1="+hex.EncodeToString(mac("s", []byte(stamp+"."+body))))
	req.Header.Set(shopifyTopic, topic)
	req.Header.Set(wooTopic, topic)
	for i := 1; i < len(headers); i += 2 {
		if req.Header.Del(headers[i-1]); headers[i] != "" {
			req.Header.Set(headers[i-1], headers[i])
		}
	}
	resp, err := r.app.Test(req, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestShopCalls(t *testing.T) {
	t.Parallel()
	order, redact := string(sample(t, "shopify-order")), string(sample(t, "shopify-redact"))
	tests := []struct {
		name, path, topic, body string
		headers                 []string
		status                  int
		answer                  string
		took, kept              int
	}{
		{"an order", "/v1/triggers/shopify/main", "orders/paid", order, nil, 200, `"sends":[{"id":"snd_1","status":"accepted","trigger":"after"},{"skipped":"condition","trigger":"other"}]`, 1, 0},
		{"stripe", "/v1/triggers/stripe/pay", "", string(sample(t, "stripe-session")), nil, 200, "snd_1", 1, 0},
		{"woo", "/v1/triggers/woocommerce/woo", "order.updated", string(sample(t, "woo-order")), nil, 200, "snd_1", 1, 0},
		{"a topic of which nothing is made", "/v1/triggers/shopify/main", "orders/edited", `{"order_edit":{"id":7,"order_id":1}}`, nil, 200, `"ignored":"no event is made of this topic"`, 0, 0},
		{"no such shop", "/v1/triggers/shopify/other", "orders/paid", order, nil, 404, `"code":"not_found"`, 0, 0},
		{"another kind", "/v1/triggers/stripe/main", "orders/paid", order, nil, 404, `"code":"not_found"`, 0, 0},
		{"forged", "/v1/triggers/shopify/main", "orders/paid", order, []string{"X-Shopify-Hmac-Sha256", "AAAA"}, 401, `"code":"invalid_signature","detail":"the signature does not match: check the secret of this shop in the configuration, and that nothing on the way changes the body","request_id":"req_1"`, 0, 0},
		{"stale", "/v1/triggers/stripe/pay", "", `{}`, []string{"Stripe-Signature", "t=1,v1=" + hex.EncodeToString(mac("s", []byte("1.{}")))}, 401, "300 s", 0, 0},
		{"of no concern", "/v1/triggers/shopify/main", "products/create", `{}`, nil, 200, `"ignored":`, 0, 0},
		{"unreadable", "/v1/triggers/shopify/main", "orders/paid", `{"id"`, nil, 400, `"code":"unreadable_message","detail":"the webhook is signed and cannot be read, its raw body is kept: `, 0, 1},
		{"ping", "/v1/triggers/woocommerce/woo", "", "webhook_id=123", []string{wooTopic, "", "X-WC-Webhook-Signature", ""}, 200, `"ignored":"ping"`, 0, 0},
		{"a ping with a topic", "/v1/triggers/woocommerce/woo", "order.updated", "webhook_id=123", []string{"X-WC-Webhook-Signature", ""}, 401, "signature", 0, 0},
		{"a ping to another kind", "/v1/triggers/shopify/main", "", "webhook_id=123", []string{"X-Shopify-Hmac-Sha256", ""}, 401, "signature", 0, 0},
		{"compressed", "/v1/triggers/shopify/main", "orders/paid", order, []string{"Content-Encoding", "gzip"}, 415, "Content-Encoding", 0, 0},
		{"large", "/v1/triggers/shopify/main", "orders/paid", strings.Repeat(" ", maxShopBody+1), nil, 413, `"code":"too_large"`, 0, 0},
		{"customers/data_request", "/v1/triggers/shopify/main", "customers/data_request", redact, nil, 200, "data_request", 0, 1},
		{"customers/redact without an eraser", "/v1/triggers/shopify/main", "customers/redact", redact, nil, 200, "redact", 0, 1},
		{"shop/redact", "/v1/triggers/shopify/main", "shop/redact", redact, nil, 200, "redact", 0, 1},
		{"customers/redact without its orders", "/v1/triggers/shopify/main", "customers/redact", `{"shop_domain":"x","customer":{"id":2}}`, nil, 200, "redact", 0, 1},
		{"customers/redact of nobody", "/v1/triggers/shopify/main", "customers/redact", `{"shop_domain":"x","customer":{},"orders_to_redact":[]}`, nil, 200, "redact", 0, 1},
		{"another topic of customers", "/v1/triggers/shopify/main", "customers/update", redact, nil, 200, "customers/update", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newShopRig(tt.name != "customers/redact without an eraser")
			status, answer := r.post(t, tt.path, tt.topic, tt.body, tt.headers...)
			if status != tt.status || !strings.Contains(answer, tt.answer) || len(r.took) != tt.took || len(r.inbox) != tt.kept || len(r.done) != tt.kept {
				t.Errorf("%d %s; took %d, kept %d %v", status, answer, len(r.took), len(r.inbox), r.done)
			}
			for _, part := range []string{"ana@", "Ana", "123 4567", "seen-value"} {
				if strings.Contains(r.log.String()+answer, part) {
					t.Errorf("%q is in the log or the answer: %s %s", part, r.log.String(), answer)
				}
			}
			if asks := strings.Contains(r.log.String(), "a person has to do"); asks != (tt.kept > 0 && tt.status == 200) {
				t.Errorf("logged: %s", r.log.String())
			}
			for _, in := range r.inbox {
				if string(in.Body) != tt.body || in.Sender != "shop:main" || in.Endpoint == "" {
					t.Errorf("kept %+v", in)
				}
			}
		})
	}
}

// What a shop repeats is taken in once; what failed is taken in when it comes again.
func TestShopRepeats(t *testing.T) {
	t.Parallel()
	r := newShopRig(true)
	const path = "/v1/triggers/woocommerce/woo"
	order := string(sample(t, "woo-order"))
	r.fault = errors.New("the store is away")
	if status, _ := r.post(t, path, "order.updated", order); status != 500 || len(r.took) != 0 {
		t.Errorf("a fault of ours: %d", status)
	}
	r.fault = nil
	moved := strings.Replace(order, "zofia@example.pl", "z@example.pl", 1)
	for i, body := range []string{order, order, moved} {
		status, answer := r.post(t, path, "order.updated", body)
		if status != 200 || len(r.took) != 1 || strings.Contains(answer, `"ignored":"repeated"`) != (i > 0) {
			t.Errorf("time %d: %d %s, took %d", i, status, answer, len(r.took))
		}
	}
	if status, _ := r.post(t, path, "order.updated", strings.Replace(order, `"completed"`, `"refunded"`, 1)); status != 200 || len(r.took) != 2 {
		t.Errorf("another status: %d, took %d", status, len(r.took))
	}
	for range 2 {
		if status, answer := r.post(t, "/v1/triggers/shopify/main", "customers/redact", string(sample(t, "shopify-redact"))); status != 200 {
			t.Errorf("redact: %d %s", status, answer)
		}
	}
	want := []survey.Recipient{{ExternalID: "main:191167", Email: "ana@example.hr", Phone: "+385911234567"}}
	if diff := cmp.Diff(want, r.erased); diff != "" || len(r.inbox) != 0 {
		t.Errorf("erased: %s; kept %d", diff, len(r.inbox))
	}
}

// Whom a shop means is told with its mode; when that is not sure, its request is kept and nothing is taken for done.
func TestShopErases(t *testing.T) {
	t.Parallel()
	redact := string(sample(t, "shopify-redact"))
	for shop, mode := range map[string]survey.Mode{"main": survey.Live, "dev": survey.Test} {
		r := newShopRig(true)
		r.fault = fmt.Errorf("two people: %w", ErrUnsure)
		for range 2 {
			if status, _ := r.post(t, "/v1/triggers/shopify/"+shop, "customers/redact", redact); status != 200 || len(r.inbox) != 1 || r.inbox[0].Mode != mode || len(r.seen) != 0 {
				t.Errorf("unsure: %d, kept %+v, seen %v", status, r.inbox, r.seen)
			}
		}
		r.fault = errors.New("the store is away")
		if status, _ := r.post(t, "/v1/triggers/shopify/"+shop, "customers/redact", redact); status != 500 {
			t.Errorf("a fault of ours: %d", status)
		}
		r.fault = nil
		if status, _ := r.post(t, "/v1/triggers/shopify/"+shop, "customers/redact", redact); status != 200 || len(r.modes) != 1 || r.modes[0] != mode {
			t.Errorf("%s: %d, erased in %v", shop, status, r.modes)
		}
	}
}
