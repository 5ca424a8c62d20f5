package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// dig follows member names and list indexes into a decoded answer; "" when it is not there.
func dig(v any, path ...any) string {
	for _, step := range path {
		switch at := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[at]
		case int:
			l, _ := v.([]any)
			if at >= len(l) {
				return ""
			}
			v = l[at]
		}
	}
	s, _ := v.(string)
	return s
}

// Every call that openapi.yaml describes answers its examples as it says: against the whole program, on every store, in an
// order in which there is what the examples speak of.
func TestE2EOpenAPI(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, env []string, _ string) {
		p := newProcess(t, openAPIConfig, env...)
		p.start()
		o := newOpenAPIReader(t, p)
		o.locked()
		left := o.calls
		delete(left, "shopWebhook") // signed by the shop: TestE2EShopDelivery
		for _, step := range o.order() {
			c, ok := left[step.call]
			if !ok {
				t.Fatalf("%s is not described, or was called before", step.call)
			}
			delete(left, step.call)
			switch {
			case c.method == http.MethodGet:
				step.learn(map[string]any{"": o.reads(c)})
			case len(c.RequestBody.Content) > 0:
				step.learn(o.examples(c))
			default:
				status, _, v := o.ask(c, o.address(c), "", "")
				o.taken(step.call, status, v)
				step.learn(map[string]any{"": v})
			}
		}
		for name := range left {
			t.Errorf("%s is described and not called: give it a place in order", name)
		}
	})
}

// locked: no call is answered without a key.
func (o *openAPIReader) locked() {
	o.t.Helper()
	for name, c := range o.calls {
		if name == "shopWebhook" {
			continue
		}
		if status, _, _ := o.ask(c, o.address(c), "application/json", "{}", "Authorization", "Bearer odz_live_wrong"); status != http.StatusUnauthorized {
			o.t.Errorf("%s without a key: %d", name, status)
		}
	}
}

// An openAPIStep is a call, and what is learned from its answers, by the names of the examples.
type openAPIStep struct {
	call  string
	learn func(answers map[string]any)
}

// order makes things before they are read, and takes them away last.
func (o *openAPIReader) order() []openAPIStep {
	nothing := func(map[string]any) {}
	return []openAPIStep{
		{"createSend", func(a map[string]any) {
			o.known[exampleSend], o.known[exampleSend2] = dig(a["least"], "id"), dig(a["full"], "id")
			o.prepare()
		}},
		{"createBatch", func(a map[string]any) { o.known[exampleContact2] = o.contact(dig(a["two"], "items", 1, "id")) }},
		{"createEvents", func(a map[string]any) {
			for name, path := range map[string][]any{"plain": {"sends", 0, "id"}, "structured": {"sends", 0, "id"}, "batch": {"items", 1, "sends", 0, "id"}} {
				if dig(a[name], path...) == "" {
					o.t.Errorf("the event %s has no send: %v", name, a[name])
				}
			}
		}},
		{"listSends", nothing},
		{"showSend", nothing},
		{"listEvents", nothing},
		{"listResponses", func(a map[string]any) { o.known[exampleResponse] = dig(a[""], "items", 0, "id") }},
		{"showResponse", nothing},
		{"listDeadLetters", nothing},
		{"sumDeadLetters", nothing},
		{"replayDeadLetters", nothing},
		{"listSurveys", nothing},
		{"listSenders", nothing},
		{"resumeSender", nothing},
		{"addSuppression", nothing},
		{"addSuppressions", nothing},
		{"listSuppressions", nothing},
		{"liftSuppression", nothing},
		{"listContacts", nothing},
		{"showContact", nothing},
		{"exportContact", nothing},
		{"recordConsent", nothing},
		{"mergeContact", func(map[string]any) { // the first one leads to the second now, and another send is still to come
			o.known[exampleContact] = o.known[exampleContact2]
			o.known[exampleSend], o.known[exampleSend2] = o.known[exampleSend2], o.known[exampleSend]
		}},
		{"cancelSend", nothing},
		{"cancelSends", nothing},
		{"eraseContact", nothing},
		{"createKey", func(a map[string]any) { o.known[exampleKey] = dig(a["shop"], "id") }},
		{"listKeys", nothing},
		{"revokeKey", nothing},
	}
}

// prepare waits until the first send has its answer, and makes a dead letter.
func (o *openAPIReader) prepare() {
	o.t.Helper()
	o.known[exampleContact] = o.contact(o.known[exampleSend])
	o.p.call(http.MethodPost, "/v1/sends", `{"survey":"nps-after-purchase","recipient":{"email":"rejected@example.com"},"channels":["email"]}`, nil)
	await(o.t, "the question is on the phone and answered", 20*time.Second, func() (string, bool) {
		var list struct {
			Items []struct {
				ID     string
				SendID string `json:"send_id"`
			}
		}
		o.p.call(http.MethodGet, "/sandbox/messages?to="+url.QueryEscape("+385911234567"), nil, &list)
		for _, m := range slices.Backward(list.Items) {
			if m.SendID == o.known[exampleSend] {
				status := o.p.call(http.MethodPost, "/sandbox/messages/"+m.ID+"/replies", `{"text":"9"}`, nil)
				return fmt.Sprint(status), status < 300
			}
		}
		return fmt.Sprint(list), false
	})
}

// contact is the person of a send.
func (o *openAPIReader) contact(send string) string {
	o.t.Helper()
	var got any
	o.p.call(http.MethodGet, "/v1/sends/"+send, nil, &got)
	id := dig(got, "contact_id")
	if !strings.HasPrefix(id, "con_") {
		o.t.Fatalf("no contact: %v", got)
	}
	return id
}
