package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

const (
	leastEvent = `{"id":"e1","type":"order.delivered","recipient":{"phone":"+385911234567"}}`
	fullEvent  = `{"id":"e1","type":"order.delivered","touchpoint":"delivery","occurred_at":"2026-11-20T14:03:00Z",
		"recipient":{"external_id":"c-1","email":"ana@example.hr"},"attributes":{"store":"Zagreb-1","amount":129.90},
		"transaction_id":"order-7","consent":{"basis":"existing_customer"},"locale":"hr"}`
	cloudEvent = `{"specversion":"1.0","id":"e1","source":"/shop","type":"order.delivered","time":"2026-11-20T14:01:00Z","traceparent":"x",
		"data":{"recipient":{"phone":"+385911234567"},"attributes":{"store":"Zagreb-1"}}}`
)

// rules fire one trigger that always does, and one that never does.
type rules struct{ dry *bool }

func (f rules) Decide(_ context.Context, events []survey.TransactionEvent, dry bool) ([][]survey.Firing, error) {
	if f.dry != nil {
		*f.dry = dry
	}
	all := []survey.Trigger{
		{ID: "after", Types: []string{"*"}, Survey: "nps-after-purchase", Sample: 1},
		{ID: "never", Types: []string{"*"}, Survey: "nps-after-purchase", Sample: 0},
	}
	out := make([][]survey.Firing, len(events))
	for i, e := range events {
		out[i] = survey.Fire(all, e)
		for k := range out[i] {
			fired := &out[i][k]
			fired.Send = fired.Trigger.Send(e, survey.Survey{DefaultLocale: "en"}, noon)
			fired.Send.Lane = "sms"
		}
	}
	return out, nil
}

func withRules(c *Config) { c.Triggers = rules{} }

type eventAnswer struct {
	Event string
	Sends []struct {
		Trigger, ID, Status, Skipped string
		Duplicate                    bool
		Saw                          map[string]any
	}
}

// Every way to say one event reads as the same.
func TestEventModes(t *testing.T) {
	t.Parallel()
	decoded := survey.TransactionEvent{
		ID: "e1", Source: "/shop", Mode: survey.Live, Actor: "key_1", Recipient: survey.Recipient{Phone: "+385911234567"},
		Transaction: survey.Transaction{
			ID: "e1", Type: "order.delivered", OccurredAt: noon.Add(-4 * time.Minute), Attributes: map[string]string{"store": "Zagreb-1"},
		},
	}
	plain := decoded
	plain.Source = ""
	data := `{"occurred_at":"2026-11-20T14:01:00Z","recipient":{"phone":"+385911234567"},"attributes":{"store":"Zagreb-1"}}`
	headers := map[string]string{"specversion": "1.0", "id": "e1", "source": "/shop", "type": "order%2Edelivered", "time": "2026-11-20T15:01:00+01:00"}
	tests := []struct {
		name string
		call eventCall
		want []survey.TransactionEvent
	}{
		{"plain", eventCall{kind: mediaJSON, src: `{"id":"e1","type":"order.delivered",` + data[1:]}, []survey.TransactionEvent{plain}},
		{"structured", eventCall{kind: mediaCloudEvent, src: cloudEvent}, []survey.TransactionEvent{decoded}},
		{"binary", eventCall{kind: mediaJSON, headers: headers, src: data}, []survey.TransactionEvent{decoded}},
		{"batch", eventCall{kind: mediaCloudEvents, src: "[" + cloudEvent + "," + cloudEvent + "]"}, []survey.TransactionEvent{decoded, decoded}},
		{"base64", eventCall{
			kind: mediaCloudEvent,
			src:  `{"specversion":"1.0","id":"e1","source":"/shop","type":"order.delivered","time":"2026-11-20T14:01:00Z","data_base64":"eyJyZWNpcGllbnQiOnsicGhvbmUiOiIrMzg1OTExMjM0NTY3In0sImF0dHJpYnV0ZXMiOnsic3RvcmUiOiJaYWdyZWItMSJ9fQ=="}`,
		}, []survey.TransactionEvent{decoded}},
	}
	d := newRig(t).api.sends
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.call.key = auth.Key{ID: "key_1", Mode: survey.Live}
			got, err := d.events(tt.call, noon)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	got, err := d.events(eventCall{kind: mediaJSON, src: fullEvent}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if e := got[0]; e.Transaction.ID != "order-7" || e.Recipient.Locale != "hr" || e.Consent.Basis != "existing_customer" ||
		e.Transaction.Attributes["amount"] != "129.90" || e.Transaction.Touchpoint != "delivery" {
		t.Errorf("read as %+v", e)
	}
}

func TestEventFaults(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("[", 5) + strings.Repeat("]", 5)
	tests := []struct {
		name string
		call eventCall
		want []string // pointer and code of each fault
	}{
		{"nothing", eventCall{src: `{}`}, []string{"/id missing_member", "/type missing_member", "/recipient missing_member"}},
		{"null", eventCall{src: `null`}, []string{" wrong_type"}},
		{"no JSON", eventCall{src: `{"id":`}, []string{"/id invalid_json"}},
		{"misspelt", eventCall{src: strings.Replace(leastEvent, "recipient", "recipent", 1)}, []string{"/recipent unknown_member"}},
		{"many", eventCall{src: `{"id":1,"type":"x","occurred_at":"today","recipient":{"phone":"12","mail":"x"},"attributes":{"a":[]},"locale":"xx"}`}, []string{
			"/id wrong_type", "/occurred_at invalid_time", "/recipient/phone invalid_phone", "/recipient/mail unknown_member",
			"/attributes/a wrong_type", "/locale unknown_locale",
		}},
		{"far away", eventCall{src: strings.Replace(leastEvent, "{", `{"occurred_at":"2028-01-01T00:00:00Z",`, 1)}, []string{"/occurred_at invalid_time"}},
		{"cloud event, nothing", eventCall{kind: mediaCloudEvent, src: `{}`}, []string{
			"/specversion missing_member", "/source missing_member", "/data missing_member", "/id missing_member", "/type missing_member",
		}},
		{"another version", eventCall{kind: mediaCloudEvent, src: strings.Replace(cloudEvent, "1.0", "0.3", 1)}, []string{"/specversion invalid_value"}},
		{"data at fault", eventCall{kind: mediaCloudEvent, src: strings.Replace(cloudEvent, "+385911234567", "12", 1)}, []string{"/data/recipient/phone invalid_phone"}},
		{"data of another event", eventCall{kind: mediaCloudEvent, src: strings.Replace(cloudEvent, `"data":{`, `"data":{"id":"e2",`, 1)}, []string{"/data/id invalid_value"}},
		{"data is XML", eventCall{kind: mediaCloudEvent, src: strings.Replace(cloudEvent, `"data":{`, `"datacontenttype":"text/xml","data":{`, 1)}, []string{"/datacontenttype invalid_value"}},
		{"no extension", eventCall{kind: mediaCloudEvent, src: strings.Replace(cloudEvent, "traceparent", "Trace-Parent", 1)}, []string{"/Trace-Parent unknown_member"}},
		{"base64 at fault", eventCall{kind: mediaCloudEvent, src: `{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"eyJ4IjoxfQ=="}`}, []string{"/data_base64/x unknown_member", "/data_base64/recipient missing_member"}},
		{"no base64", eventCall{kind: mediaCloudEvent, src: `{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"%"}`}, []string{"/data_base64 invalid_value"}},
		{"second of a batch", eventCall{kind: mediaCloudEvents, src: "[" + cloudEvent + `,{"specversion":"1.0","type":"x","source":"/s","data":{"recipient":{"phone":"12"}}}]`}, []string{
			"/1/data/recipient/phone invalid_phone", "/1/id missing_member",
		}},
		{"empty batch", eventCall{kind: mediaCloudEvents, src: "[]"}, []string{" empty_batch"}},
		{"long batch", eventCall{kind: mediaCloudEvents, src: "[" + strings.Repeat(cloudEvent+",", 100) + cloudEvent + "]"}, []string{" too_many"}},
		{"no batch", eventCall{kind: mediaCloudEvents, src: cloudEvent}, []string{" wrong_type"}},
		{"batch of nothing", eventCall{kind: mediaCloudEvents, src: "[null]"}, []string{"/0 wrong_type"}},
		{"data is a word", eventCall{kind: mediaCloudEvent, src: `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"x"}`}, []string{"/data wrong_type"}},
		{"headers missing", eventCall{headers: map[string]string{"id": "1"}, src: `{"recipient":{"phone":"+385911234567"}}`}, []string{" missing_member", " missing_member", " missing_member"}},
		{"header at fault", eventCall{
			headers: map[string]string{"specversion": "1.0", "id": "%zz", "type": "a%0Ab", "source": "/s", "time": "now"}, src: leastEvent,
		}, []string{" invalid_value", " invalid_value", " invalid_time", " missing_member", " missing_member"}},
		{"deep", eventCall{kind: mediaCloudEvents, src: `[{"data":{"attributes":{"a":` + long + `}}}]`}, []string{"/0/data/attributes/a invalid_json"}},
	}
	d := newRig(t).api.sends
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			events, err := d.events(tt.call, noon)
			var got []string
			for _, e := range mustInvalid(t, err) {
				got = append(got, e.Pointer+" "+e.Code)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || events != nil {
				t.Error(diff)
			}
		})
	}
}

func mustInvalid(t *testing.T, err error) survey.InvalidError {
	t.Helper()
	errs, ok := err.(survey.InvalidError) //nolint:errorlint // it is never wrapped
	if !ok {
		t.Fatalf("error %v", err)
	}
	return errs
}

// The same event twice makes the same send, and says so.
func TestCreateEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t, withRules)
	var first, again eventAnswer
	for i, into := range []*eventAnswer{&first, &again} {
		got := r.call(t, "POST", "/v1/events", leastEvent)
		if got.status != 202 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if err := json.Unmarshal([]byte(got.body), into); err != nil {
			t.Fatal(err)
		}
		if len(into.Sends) != 2 || into.Sends[0].Duplicate != (i == 1) || into.Sends[1].Skipped != "sampled_out" || into.Sends[1].Saw == nil {
			t.Errorf("answer %d is %s", i, got.body)
		}
	}
	if first.Event != "e1" || first.Sends[0].ID == "" || first.Sends[0].ID != again.Sends[0].ID || len(r.sends) != 1 || r.wakes == 0 {
		t.Errorf("first %+v, again %+v, %d sends", first, again, len(r.sends))
	}
	if s := r.sends[first.Sends[0].ID]; s.Transaction.ID != "e1" || s.Transaction.Type != "order.delivered" || s.Mode != survey.Live {
		t.Errorf("stored %+v", s)
	}
}

func TestEventIdempotency(t *testing.T) {
	t.Parallel()
	r := newRig(t, withRules)
	first := r.call(t, "POST", "/v1/events", leastEvent, "Idempotency-Key", "k1")
	again := r.call(t, "POST", "/v1/events", leastEvent, "Idempotency-Key", "k1")
	if first.status != 202 || again.body != first.body || again.header.Get(replayedHeader) != "true" {
		t.Errorf("%d %s, then %s", first.status, first.body, again.body)
	}
	binary := []string{"Idempotency-Key", "k2", "ce-specversion", "1.0", "ce-source", "/s", "ce-type", "x", "ce-id", "7"}
	data := `{"recipient":{"phone":"+385911234567"}}`
	if got := r.call(t, "POST", "/v1/events", data, binary...); got.status != 202 {
		t.Errorf("%d %s", got.status, got.body)
	}
	binary[len(binary)-1] = "8" // another event with the same body
	if got := r.call(t, "POST", "/v1/events", data, binary...); got.status != 422 || got.problem(t).Code != web.CodeMismatch {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestEventCalls(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, body string
		headers          []string
		status           int
		want             string
	}{
		{"batch", "/v1/events", "[" + cloudEvent + "]", []string{"Content-Type", mediaCloudEvents}, 202, `{"items":[{"event":"e1","sends":[{"trigger":"after","id":"snd_`},
		{"form", "/v1/events", leastEvent, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "cloudevents"},
		{"two modes", "/v1/events", cloudEvent, []string{"Content-Type", mediaCloudEvent, "ce-id", "1"}, 400, "binary"},
		{"unknown parameter", "/v1/events?dryrun=true", leastEvent, nil, 400, "dry_run"},
		{"dry_run of nothing", "/v1/events?dry_run=yes", leastEvent, nil, 400, "true or false"},
		{"dry run at fault", "/v1/events?dry_run=true", `{}`, nil, 422, "/recipient"},
		{"no key", "/v1/events", leastEvent, []string{"Authorization", ""}, 401, "missing_key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := newRig(t, withRules).call(t, "POST", tt.path, tt.body, tt.headers...)
			if got.status != tt.status || !strings.Contains(got.body, tt.want) {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	r := newRig(t, withRules)
	if got := r.call(t, "POST", "/v1/events", leastEvent, "Authorization", "Bearer "+r.key(t, survey.Live, auth.SendsRead)); got.status != 403 {
		t.Errorf("a key without the scope: %d", got.status)
	}
	if got := newRig(t).call(t, "POST", "/v1/events", leastEvent); got.status != 202 || got.body != `{"event":"e1","sends":[]}` {
		t.Errorf("without rules: %d %s", got.status, got.body)
	}
}

func TestEventDryRun(t *testing.T) {
	t.Parallel()
	var dry bool
	r := newRig(t, func(c *Config) { c.Triggers, c.Preview = rules{&dry}, preview{} })
	for _, tt := range []struct{ kind, body, from string }{
		{mediaJSON, leastEvent, `{"event":"e1","sends":[{`}, {mediaCloudEvents, "[" + cloudEvent + "]", `{"items":[{"event":"e1","sends":[{`},
	} {
		got := r.call(t, "POST", "/v1/events?dry_run=true", tt.body, "Content-Type", tt.kind)
		if got.status != 200 || !strings.HasPrefix(got.body, tt.from) || !strings.Contains(got.body, `"seen":"after"`) ||
			!strings.Contains(got.body, `"skipped":"sampled_out"`) {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if !dry || len(r.sends) != 0 || r.wakes != 0 {
		t.Errorf("dry %t; stored %d", dry, len(r.sends))
	}
}

type preview struct{}

func (preview) Preview(_ context.Context, s survey.Send) (map[string]any, error) {
	return map[string]any{"seen": "after", "transaction": s.Transaction.ID}, nil
}

// FuzzEvents: whatever comes, it is either whole events or explained.
func FuzzEvents(f *testing.F) {
	kinds := []string{mediaJSON, mediaCloudEvent, mediaCloudEvents}
	for i, s := range []string{leastEvent, fullEvent, cloudEvent, "[" + cloudEvent + "]", `{}`, `[]`, `null`, ``, `{"specversion":"1.0","data_base64":"e30="}`} {
		f.Add(s, uint8(i), "1%2E0", "%")
	}
	d := newRig(f).api.sends
	f.Fuzz(func(t *testing.T, src string, mode uint8, id, source string) {
		call := eventCall{kind: mediaJSON, src: src}
		if n := int(mode % 4); n < 3 {
			call.kind = kinds[n]
		} else {
			call.headers = map[string]string{"specversion": "1.0", "id": id, "source": source, "type": "x"}
		}
		events, err := d.events(call, noon)
		if err == nil && len(events) == 0 {
			t.Fatal("nothing was read and nothing is wrong")
		}
		for _, e := range events {
			if e.ID == "" || e.Transaction.ID == "" || e.Transaction.Type == "" || e.Recipient == (survey.Recipient{}) || !utf8.ValidString(e.ID+e.Source) {
				t.Errorf("half an event: %+v", e)
			}
		}
		if err == nil {
			return
		}
		for _, e := range mustInvalid(t, err) {
			if e.Code == "" || e.Detail == "" || !utf8.ValidString(e.Detail) || e.Pointer != "" && e.Pointer[0] != '/' {
				t.Errorf("says little: %+v", e)
			}
			if !slices.ContainsFunc(web.Codes(), func(c web.Code) bool { return c.Code == e.Code }) {
				t.Error(fmt.Sprint("no page of ", e.Code))
			}
		}
	})
}
