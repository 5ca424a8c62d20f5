package webhooks

import (
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// shopNow is the present of these tests, ten minutes after the webhooks of testdata/shop were made.
var shopNow = time.Date(2026, 11, 20, 12, 40, 0, 0, time.UTC)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "shop", name+".json")) //nolint:gosec // of this test
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func known(tag string) (string, bool) {
	lang, _, _ := strings.Cut(strings.ToLower(tag), "-")
	switch lang {
	case "hr", "sl", "pl", "en":
		return lang, true
	case "sr":
		return "sr-Latn", true
	default:
		return "", false
	}
}

// The vectors were made with other programs: see their providers' documents.
func TestShopSignatures(t *testing.T) {
	t.Parallel()
	const (
		shopifyBody = `{"id":820982911946154508,"email":"jon@example.com"}`
		shopifySign = "minWArgZa/Hsplvy6dlnaKNnlyvuW8Y2ovDcBlzZSE0="
		wooBody     = `{"id":727,"status":"completed"}`
		wooSign     = "wMrWzN4/owNUnzbBvV3u5H2WGBRpLjcbRZHlc4p/1jg="
		stripeBody  = `{"id":"evt_test_webhook","object":"event"}`
		stripeSum   = "3c5817089d739023dd6190f70a3757e04f7a2fd8b5dab12c2e000f51970dccff"
		stripeSign  = "t=1614265330,v1=" + stripeSum
	)
	then := time.Unix(1614265330, 0)
	shopify, woo := Shop{Kind: Shopify, Secret: "shpss_hush"}, Shop{Kind: WooCommerce, Secret: "woo_secret"} //nolint:gosec // of the vectors
	stripe := Shop{Kind: Stripe, Secret: "whsec_test_secret"}                                                //nolint:gosec // of the vectors
	tests := []struct {
		name, header, value, body string
		shop                      Shop
		now                       time.Time
		want                      error
	}{
		{"Shopify", "X-Shopify-Hmac-Sha256", shopifySign, shopifyBody, shopify, then, nil},
		{"Shopify, body changed", "X-Shopify-Hmac-Sha256", shopifySign, shopifyBody + " ", shopify, then, channels.ErrSignature},
		{"Shopify, none", "X-Shopify-Hmac-Sha256", "", shopifyBody, shopify, then, channels.ErrSignature},
		{"Shopify, cut", "X-Shopify-Hmac-Sha256", "minWArgZa/Hsplvy6dln", shopifyBody, shopify, then, channels.ErrSignature},
		{"Shopify, no base64", "X-Shopify-Hmac-Sha256", "%%%", shopifyBody, shopify, then, channels.ErrSignature},
		{"Shopify, previous secret", "X-Shopify-Hmac-Sha256", shopifySign, shopifyBody, Shop{Kind: Shopify, Secret: "new", PreviousSecret: shopify.Secret}, then, nil},
		{"Shopify, no secret", "X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac("", []byte(shopifyBody))), shopifyBody, Shop{Kind: Shopify}, then, channels.ErrSignature},
		{"WooCommerce", "X-WC-Webhook-Signature", wooSign, wooBody, woo, then, nil},
		{"WooCommerce, another's secret", "X-WC-Webhook-Signature", wooSign, wooBody, Shop{Kind: WooCommerce, Secret: "x"}, then, channels.ErrSignature},
		{"Stripe", "Stripe-Signature", stripeSign, stripeBody, stripe, then, nil},
		{"Stripe, the limit", "Stripe-Signature", stripeSign, stripeBody, stripe, then.Add(300 * time.Second), nil},
		{"Stripe, too late", "Stripe-Signature", stripeSign, stripeBody, stripe, then.Add(301 * time.Second), errStale},
		{"Stripe, too early", "Stripe-Signature", stripeSign, stripeBody, stripe, then.Add(-301 * time.Second), errStale},
		{"Stripe, one of several", "Stripe-Signature", "t=1614265330,v1=00,v1=" + stripeSum + ",v0=zz", stripeBody, stripe, then, nil},
		{"Stripe, previous secret", "Stripe-Signature", stripeSign, stripeBody, Shop{Kind: Stripe, Secret: "new", PreviousSecret: stripe.Secret}, then, nil},
		{"Stripe, stale by the present secret", "Stripe-Signature", stripeSign, stripeBody, Shop{Kind: Stripe, Secret: stripe.Secret, PreviousSecret: "old"}, then.Add(time.Hour), errStale},
		{"Stripe, another time", "Stripe-Signature", "t=1614265331,v1=" + stripeSum, stripeBody, stripe, then, channels.ErrSignature},
		{"Stripe, only v0", "Stripe-Signature", "t=1614265330,v0=" + stripeSum, stripeBody, stripe, then, channels.ErrSignature},
		{"Stripe, none", "Stripe-Signature", "", stripeBody, stripe, then, channels.ErrSignature},
		{"of no kind", "X-Shopify-Hmac-Sha256", shopifySign, shopifyBody, Shop{Secret: shopify.Secret}, then, channels.ErrSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			h.Set(tt.header, tt.value)
			err := verify(shopCall{shop: tt.shop, header: h, body: []byte(tt.body), now: tt.now})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// What each webhook becomes.
func TestShopEvents(t *testing.T) {
	t.Parallel()
	shopify := survey.TransactionEvent{
		Source: "shopify:main", Actor: "shop:main", Mode: survey.Live,
		Recipient: survey.Recipient{ExternalID: "main:115310627314723954", Name: "Ana Kovač", Email: "Ana.Kovac@example.hr", Phone: "+385911234567", Locale: "hr"},
		Transaction: survey.Transaction{ID: "main:820982911946154508", Attributes: map[string]string{
			"shop": "main", "country": "HR", "order": "#1001", "amount": "129.90", "currency": "EUR", "store": "655441491", "source": "web",
			"email_consent": "subscribed", "product": "SKU-1", "lines": "2",
		}},
	}
	as := func(e survey.TransactionEvent, id, kind, at string) survey.TransactionEvent {
		e.ID, e.Transaction.Type = id, kind
		e.Transaction.OccurredAt, _ = time.Parse(time.RFC3339, at)
		e.Consent = &survey.Consent{Basis: "existing_customer", Source: e.Source, At: e.Transaction.OccurredAt}
		return e
	}
	fulfillment := shopify
	fulfillment.Recipient.Email, fulfillment.Recipient.ExternalID = "ana@example.hr", ""
	fulfillment.Transaction.Attributes = map[string]string{"shop": "main", "country": "HR", "order": "#1001.1", "product": "SKU-1", "lines": "1"}
	woo := survey.TransactionEvent{
		Source: "woocommerce:main", Actor: "shop:main", Mode: survey.Live,
		Recipient: survey.Recipient{Name: "Zofia Nowak", Email: "zofia@example.pl", Phone: "+48501234567", Locale: "en"},
		Transaction: survey.Transaction{ID: "main:727", Attributes: map[string]string{
			"shop": "main", "country": "PL", "order": "727", "amount": "249.00", "currency": "PLN", "product": "93", "lines": "1",
		}},
	}
	session := survey.TransactionEvent{
		Source: "stripe:main", Actor: "shop:main", Mode: survey.Live,
		Recipient: survey.Recipient{ExternalID: "main:cus_9", Name: "Ana Novak", Email: "ana@example.si", Phone: "+38640123456", Locale: "sl"},
		Transaction: survey.Transaction{ID: "main:cs_live_a1", Attributes: map[string]string{
			"shop": "main", "country": "SI", "order": "order-77", "amount": "129.90", "currency": "EUR", "store": "Ljubljana-2",
		}},
	}
	invoice := survey.TransactionEvent{
		Source: "stripe:main", Actor: "shop:main", Mode: survey.Test,
		Recipient: survey.Recipient{ExternalID: "main:cus_9", Name: "Jiro", Email: "jiro@example.jp"},
		Transaction: survey.Transaction{ID: "main:in_1", Attributes: map[string]string{
			"shop": "main", "country": "JP", "order": "F-0007", "amount": "5000", "currency": "JPY",
		}},
	}
	tests := []struct {
		kind, topic, sample string
		want                survey.TransactionEvent
	}{
		{Shopify, "orders/create", "shopify-order", as(shopify, "orders/create ev-1", "shopify.created", "2026-11-18T09:00:00Z")},
		{Shopify, "orders/paid", "shopify-order", as(shopify, "orders/paid ev-1", "shopify.paid", "2026-11-20T12:30:00Z")},
		{Shopify, "orders/fulfilled", "shopify-order", as(shopify, "orders/fulfilled ev-1", "shopify.fulfilled", "2026-11-20T12:30:00Z")},
		{Shopify, "orders/cancelled", "shopify-order", as(shopify, "orders/cancelled ev-1", "shopify.cancelled", "2026-11-20T12:30:00Z")},
		{Shopify, "orders/updated", "shopify-order", as(shopify, "orders/updated ev-1", "shopify.delivered", "2026-11-20T11:15:00Z")},
		{Shopify, "fulfillments/update", "shopify-fulfillment", as(fulfillment, "fulfillments/update ev-1", "shopify.delivered", "2026-11-20T11:15:00Z")},
		{WooCommerce, "order.updated", "woo-order", as(woo, "727 completed", "woocommerce.completed", "2026-11-20T11:59:58Z")},
		{Stripe, "", "stripe-session", as(session, "evt_1P1", "stripe.checkout.completed", "2026-11-20T12:00:00Z")},
		{Stripe, "", "stripe-invoice", as(invoice, "evt_1P2", "stripe.invoice.paid", "2026-11-20T12:00:00Z")},
	}
	s := &Shops{Locale: known}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.topic+" "+tt.sample, func(t *testing.T) {
			t.Parallel()
			call := newShopCall(tt.kind, tt.topic, sample(t, tt.sample))
			n, err := readShop(call)
			if err != nil || n.ignored != "" {
				t.Fatalf("%v, %q", err, n.ignored)
			}
			if diff := cmp.Diff(tt.want, s.event(call, &n), cmpopts.EquateApproxTime(0)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func newShopCall(kind, topic string, body []byte) shopCall {
	h := http.Header{}
	h.Set(shopifyTopic, topic)
	h.Set(wooTopic, topic)
	h.Set("X-Shopify-Event-Id", "ev-1")
	return shopCall{id: "main", shop: Shop{Kind: kind, Secret: "s", Country: "HR", Mode: survey.Live}, header: h, body: body, now: shopNow}
}

// What makes no event, and what cannot be read.
func TestShopSilence(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, kind, topic, body string
		ignored, fault          string
	}{
		{"no topic", Shopify, "", `{}`, "topic", ""},
		{"unknown topic", Shopify, "products/update", `[]`, "topic", ""},
		{"unknown topic of orders", Shopify, "orders/delete", `{"id":1}`, "topic", ""},
		{"unknown topic of orders, without an order", Shopify, "orders/edited", `{"order_edit":{"id":7,"order_id":1,"staff_note":null}}`, "topic", ""},
		{"unknown topic of fulfillments", Shopify, "fulfillments/create", `[]`, "topic", ""},
		{"not delivered", Shopify, "orders/updated", `{"id":1,"fulfillments":[{"shipment_status":"in_transit"}]}`, "delivered", ""},
		{"without an id", Shopify, "orders/create", `{}`, "", "no id"},
		{"an id of many characters", Shopify, "orders/create", `{"id":"a b"}`, "", "no id"},
		{"no object", Shopify, "orders/create", `[1]`, "", "no JSON object"},
		{"cut off", Shopify, "orders/create", `{"id":1`, "", "no JSON"},
		{"shop/redact", Shopify, "shop/redact", `{"shop_domain":"x"}`, "shop/redact", ""},
		{"an order as redact", Shopify, "customers/redact", `{"id":1,"customer":{"id":2,"email":"ana@example.hr"}}`, "customers/redact", ""},
		{"a request without its orders", Shopify, "customers/redact", `{"shop_domain":"x","customer":{"id":2}}`, "customers/redact", ""},
		{"deleted", WooCommerce, "order.deleted", `{"id":1}`, "topic", ""},
		{"an action", WooCommerce, "action.woocommerce_order_status_completed", `{"action":"x","arg":727}`, "topic", ""},
		{"no status", WooCommerce, "order.updated", `{"id":1,"status":"a b"}`, "status", ""},
		{"no order", WooCommerce, "order.updated", `{"status":"completed"}`, "", "no id"},
		{"not paid", Stripe, "", `{"id":"evt_1","object":"event","type":"checkout.session.completed","data":{"object":{"id":"cs_1","payment_status":"unpaid"}}}`, "paid", ""},
		{"another type", Stripe, "", `{"id":"evt_1","object":"event","type":"charge.refunded"}`, "type", ""},
		{"thin", Stripe, "", `{"id":"evt_1","object":"v2.core.event","type":"invoice.paid"}`, "thin", ""},
		{"no event id", Stripe, "", `{"object":"event"}`, "", "no id"},
		{"no object id", Stripe, "", `{"id":"evt_1","object":"event","type":"invoice.paid","data":{"object":{}}}`, "", "no id"},
		{"of no kind", "magento", "", `{}`, "", "kind"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, err := readShop(newShopCall(tt.kind, tt.topic, []byte(tt.body)))
			if (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("error %v, want %q", err, tt.fault)
			}
			if err == nil && (n.ignored == "" || !strings.Contains(n.ignored, tt.ignored) || n.erase != nil) {
				t.Errorf("ignored %q, want %q; erase %v", n.ignored, tt.ignored, n.erase)
			}
		})
	}
}

// Law 11: what a shop calls a test, and what it does not surely call live, makes no live send.
func TestLaw11ShopTests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, kind, topic, body string
		mode                    survey.Mode
		want                    survey.Mode
	}{
		{"live", Shopify, "orders/paid", `{"id":1}`, survey.Live, survey.Live},
		{"a test order", Shopify, "orders/paid", `{"id":1,"test":true}`, survey.Live, survey.Test},
		{"a test shop", Shopify, "orders/paid", `{"id":1,"test":false}`, survey.Test, survey.Test},
		{"a shop of no mode", WooCommerce, "order.updated", `{"id":1,"status":"completed"}`, "", survey.Test},
		{"live mode", Stripe, "", `{"id":"evt_1","object":"event","type":"invoice.paid","livemode":true,"data":{"object":{"id":"in_1"}}}`, survey.Live, survey.Live},
		{"test mode", Stripe, "", `{"id":"evt_1","object":"event","type":"invoice.paid","livemode":false,"data":{"object":{"id":"in_1"}}}`, survey.Live, survey.Test},
		{"mode not told", Stripe, "", `{"id":"evt_1","object":"event","type":"invoice.paid","data":{"object":{"id":"in_1"}}}`, survey.Live, survey.Test},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			call := newShopCall(tt.kind, tt.topic, []byte(tt.body))
			call.shop.Mode = tt.mode
			n, err := readShop(call)
			if err != nil {
				t.Fatal(err)
			}
			if e := (&Shops{Locale: known}).event(call, &n); e.Mode != tt.want {
				t.Errorf("%s, want %s", e.Mode, tt.want)
			}
		})
	}
}

func TestShopAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ typed, country, want string }{
		{"091 123 4567", "HR", "+385911234567"},
		{"+385 91 123 4567", "", "+385911234567"},
		{"091 123 4567", "", ""},
		{"00385911234567", "HR", "+385911234567"},
		{"01 4567 890", "HR", ""}, // a land line
		{"501 234 567", "PL", "+48501234567"},
		{"۰۹۱۲۱۲۳۴۵۶۷", "IR", "+989121234567"},
		{"call me", "HR", ""},
		{strings.Repeat("1", 65), "HR", ""},
	} {
		if got := shopPhone(tt.typed, tt.country); got != tt.want {
			t.Errorf("phone %q in %s is %q, want %q", tt.typed, tt.country, got, tt.want)
		}
	}
	for typed, want := range map[string]string{
		" Ana@Example.HR ": "Ana@example.hr", "Ana <ana@example.hr>": "", "ana@example.hr,iva@example.hr": "", "ana": "", "a@localhost": "", "": "",
		strings.Repeat("a", 65) + "@example.hr": "",
	} {
		if got := shopEmail(typed); got != want {
			t.Errorf("email %q is %q, want %q", typed, got, want)
		}
	}
	for _, tt := range []struct{ given, country, want string }{
		{"hr-HR", "PL", "hr"}, {"de", "PL", "pl"}, {"", "RS", "sr-Latn"}, {"de", "DE", ""}, {"", "", ""},
	} {
		if got := (&Shops{Locale: known}).locale(tt.given, tt.country); got != tt.want {
			t.Errorf("locale %q in %s is %q, want %q", tt.given, tt.country, got, tt.want)
		}
	}
	for _, tt := range []struct{ least, currency, want string }{
		{"12990", "eur", "129.90"}, {"5", "EUR", "0.05"}, {"5000", "jpy", "5000"}, {"1234", "kwd", "1.234"}, {"-5", "eur", ""}, {"", "eur", ""}, {"1e3", "eur", ""},
	} {
		if got := money(tt.least, tt.currency); got != tt.want {
			t.Errorf("%s %s is %q, want %q", tt.least, tt.currency, got, tt.want)
		}
	}
}
