package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const eventsConfig = `
policy: {window: none, cooldown: none}
brand: {name: Lipa, timezone: Europe/Zagreb}
triggers:
  after-delivery: {on: ["shopify.delivered", order.delivered], where: {country: [HR, SI], amount: ">= 20"}, touchpoint: delivery,
    survey: nps-after-purchase, channels: [sms], mode: test}
  capped: {on: [visit], survey: csat-after-support, channels: [sms], mode: test, daily_cap: {count: 2, per: store}}
shops:
  main: {kind: shopify, secret: "${SHOPIFY_SECRET}", previous_secret: "old", country: HR}
`

// deliver posts an order of a shop that was delivered just now.
func deliver(t *testing.T, p *process, body, secret, eventID string) (int, string) {
	t.Helper()
	h := hmac.New(sha256.New, []byte(secret))
	_, _ = h.Write([]byte(body))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url()+"/v1/triggers/shopify/main", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	topic := "orders/updated"
	if strings.Contains(body, "orders_to_redact") {
		topic = "customers/redact"
	}
	req.Header.Set("X-Shopify-Topic", topic)
	req.Header.Set("X-Shopify-Event-Id", eventID)
	req.Header.Set("X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(h.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
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

// A shop tells of a delivery, and its customer's phone shows the question. A repetition, and the same order told under
// another event, ask nobody twice.
func TestE2EShopDelivery(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, env []string, _ string) {
		p := newProcess(t, eventsConfig, append(env, "SHOPIFY_SECRET=shpss_hush")...)
		p.start()
		body := fmt.Sprintf(`{"id":820982911946154508,"name":"#1001","phone":"091 123 4567","customer_locale":"hr-HR","total_price":"129.90","currency":"EUR",
			"customer":{"id":115310627314723954,"first_name":"Ana","last_name":"Kovač"},"shipping_address":{"country_code":"HR"},
			"fulfillments":[{"id":1,"shipment_status":"delivered","updated_at":%q}]}`, time.Now().UTC().Format(time.RFC3339))
		status, first := deliver(t, p, body, "shpss_hush", "ev-1")
		if status != http.StatusOK || !strings.Contains(first, `"trigger":"after-delivery"`) || !strings.Contains(first, `"id":"snd_`) {
			t.Fatalf("%d %s", status, first)
		}
		if status, again := deliver(t, p, body, "old", "ev-1"); status != http.StatusOK || !strings.Contains(again, `"ignored":"repeated"`) {
			t.Errorf("repeated, by the previous secret: %d %s", status, again)
		}
		if status, other := deliver(t, p, body, "shpss_hush", "ev-2"); status != http.StatusOK || sendID(other) != sendID(first) {
			t.Errorf("the order again: %d %s, first %s", status, other, first)
		}
		if status, forged := deliver(t, p, body, "guessed", "ev-3"); status != http.StatusUnauthorized || !strings.Contains(forged, `"code":"invalid_signature"`) || !strings.Contains(forged, `"request_id":"req_`) {
			t.Errorf("forged: %d %s", status, forged)
		}
		messages := func() []struct{ Text string } {
			_, text := request(t, http.MethodGet, p.url()+"/sandbox/messages?to="+url.QueryEscape("+385911234567"), "", nil)
			var list struct{ Items []struct{ Text string } }
			if err := json.Unmarshal(text, &list); err != nil {
				t.Fatal(err)
			}
			return list.Items
		}
		p.await("the question is on the phone", 20*time.Second, func() (string, bool) {
			return fmt.Sprint(messages()), len(messages()) > 0
		})
		if got := messages(); len(got) != 1 || !strings.Contains(got[0].Text, "Lipa") {
			t.Errorf("on the phone: %v", got)
		}
		redact := `{"shop_domain":"lipa.myshopify.com","customer":{"id":115310627314723954,"phone":"091 123 4567"},"orders_to_redact":[820982911946154508]}`
		if status, text := deliver(t, p, redact, "shpss_hush", "ev-4"); status != http.StatusOK {
			t.Fatalf("redact: %d %s", status, text)
		}
		if left := messages(); len(left) != 0 {
			t.Errorf("after the shop asked to forget the customer: %v", left)
		}
		var gone struct{ Recipient map[string]any }
		p.call(http.MethodGet, "/v1/sends/"+sendID(first), nil, &gone)
		if fmt.Sprint(gone.Recipient["phone"]) == "+385911234567" {
			t.Errorf("the send still names %v", gone.Recipient)
		}
		private(t, p.log.String())
	})
}

func sendID(answer string) string {
	_, after, _ := strings.Cut(answer, `"id":"`)
	id, _, _ := strings.Cut(after, `"`)
	return id
}

// POST /v1/events holds every rule against the real store: conditions, a daily cap that a repetition does not use up,
// and a dry run that uses nothing up.
func TestE2EEvents(t *testing.T) {
	t.Parallel()
	p := newProcess(t, eventsConfig, "SHOPIFY_SECRET=shpss_hush")
	p.start()
	visit := func(query string, i int) (skipped string, duplicate bool) {
		var got struct {
			Sends []struct {
				Trigger, ID, Skipped string
				Duplicate            bool
			}
		}
		status := p.call(http.MethodPost, "/v1/events"+query, map[string]any{
			"id": fmt.Sprint("v", i), "type": "visit", "recipient": map[string]any{"phone": fmt.Sprintf("+38591123000%d", i)},
			"attributes": map[string]any{"store": "Zagreb-1"},
		}, &got)
		if status >= 300 || len(got.Sends) != 1 {
			t.Fatalf("visit %d: %d %+v", i, status, got)
		}
		return got.Sends[0].Skipped, got.Sends[0].Duplicate
	}
	steps := []struct {
		name, query string
		visit       int
		skipped     string
		duplicate   bool
	}{
		{"dry", "?dry_run=true", 9, "", false},
		{"first", "", 1, "", false},
		{"first again", "", 1, "", true},
		{"second", "", 2, "", false},
		{"third", "", 3, "daily_cap", false},
		{"third again", "", 3, "daily_cap", false},
		{"second again", "", 2, "", true},
		{"dry, when it is full", "?dry_run=true", 9, "daily_cap", false},
	}
	for _, st := range steps {
		if skipped, duplicate := visit(st.query, st.visit); skipped != st.skipped || duplicate != st.duplicate {
			t.Errorf("%s: skipped %q, duplicate %t", st.name, skipped, duplicate)
		}
	}
	status, text := request(t, http.MethodPost, p.url()+"/v1/events", bootstrapKey,
		`{"id":"o1","type":"order.delivered","recipient":{"phone":"+385911239999"},"attributes":{"country":"HR","amount":"19.99"}}`)
	if status != http.StatusAccepted || !strings.Contains(string(text), `"skipped":"condition"`) || !strings.Contains(string(text), `"value":"19.99"`) {
		t.Errorf("%d %s", status, text)
	}
}
