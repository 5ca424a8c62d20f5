package webhooks

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzShop: whatever a shop sends is an event that a send can be made of, is of no concern, or is explained.
func FuzzShop(f *testing.F) {
	kinds := []string{Shopify, WooCommerce, Stripe}
	for i, name := range []string{"shopify-order", "shopify-fulfillment", "shopify-redact", "woo-order", "stripe-session", "stripe-invoice"} {
		f.Add(sample(f, name), []uint8{0, 0, 0, 1, 2, 2}[i], []string{"orders/updated", "fulfillments/update", "customers/redact", "order.updated", "", ""}[i])
	}
	f.Add([]byte(`{"id":1e400,"customer":[],"line_items":{},"fulfillments":"x","total_price":{}}`), uint8(0), "orders/paid")
	s := &Shops{Locale: known}
	f.Fuzz(func(t *testing.T, body []byte, kind uint8, topic string) {
		call := newShopCall(kinds[int(kind)%3], "", body)
		call.header[http.CanonicalHeaderKey(shopifyTopic)] = []string{topic}
		call.header[http.CanonicalHeaderKey(wooTopic)] = []string{topic}
		n, err := readShop(call)
		if err != nil || n.ignored != "" {
			return
		}
		e := s.event(call, &n)
		if e.ID == "" || e.Transaction.Type == "" || len(e.Transaction.ID) <= len("main:") || len(e.Transaction.ID) > 200 || e.Transaction.OccurredAt.After(call.now) {
			t.Errorf("half an event: %+v", e)
		}
		if len(e.Transaction.Attributes) > maxShopAttributes {
			t.Errorf("%d attributes", len(e.Transaction.Attributes))
		}
		if _, err := json.Marshal(e); err != nil {
			t.Error(err)
		}
		if p := e.Recipient.Phone; p != "" && (p[0] != '+' || strings.Trim(p[1:], "0123456789") != "") {
			t.Errorf("phone %q", p)
		}
		if a := e.Recipient.Email; strings.ContainsAny(a, "\r\n <>") {
			t.Errorf("email %q", a)
		}
	})
}

// FuzzStripeSignature: no header makes a body signed.
func FuzzStripeSignature(f *testing.F) {
	for _, s := range []string{"", "t=1,v1=", "t=1614265330,v1=00,v1=", "v1=,t=", "t=-9223372036854775808,v1=a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if verifyStripe("a secret that nobody knows", header, []byte("{}"), shopNow) == nil {
			t.Errorf("%q is signed", header)
		}
	})
}
