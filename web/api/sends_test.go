package api

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

// full is the example of the contract.
const full = `{"survey":"nps-after-purchase",
 "recipient":{"external_id":"c-1881","name":"Ana Kovač","email":"ana@example.hr","phone":"+385 91 123 4567","viber_id":null,"locale":"hr","timezone":"Europe/Zagreb"},
 "transaction":{"id":"order-10023","type":"order.delivered","touchpoint":"delivery","occurred_at":"2026-11-20T14:03:00Z",
                "attributes":{"store":"Zagreb-1","department":"online","employee":"e-17","product":"SKU-1","amount":"129.90","currency":"EUR"}},
 "channels":["viber","sms","email"], "delay":"2h", "expires_at":"2026-11-27T00:00:00Z",
 "consent":{"basis":"existing_customer","source":"checkout","at":"2026-11-20T14:00:00Z"}, "metadata":{}}`

const least = `{"survey":"nps-after-purchase","recipient":{"email":"ana@example.hr"}}`

func TestCreateSend(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.call(t, "POST", "/v1/sends", full)
	if got.status != 202 {
		t.Fatalf("status %d\n%s", got.status, got.body)
	}
	id := slices.Collect(maps.Keys(r.sends))[0]
	want := `{"id":"` + id + `","status":"scheduled","duplicate":false,"survey":"nps-after-purchase","locale":"hr","due_at":"2026-11-20T16:05:00Z"}`
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Error(diff)
	}
	stored := survey.Send{
		ID: id, Mode: survey.Live, Survey: "nps-after-purchase", SurveyVersion: 1, Locale: "hr",
		ContactID: survey.ContactID(survey.Live, survey.Recipient{ExternalID: "c-1881"}),
		Recipient: survey.Recipient{
			ExternalID: "c-1881", Name: "Ana Kovač", Email: "ana@example.hr", Phone: "+385911234567", Locale: "hr", Timezone: "Europe/Zagreb",
		},
		Transaction: survey.Transaction{
			ID: "order-10023", Type: "order.delivered", Touchpoint: "delivery", OccurredAt: time.Date(2026, 11, 20, 14, 3, 0, 0, time.UTC),
			Attributes: map[string]string{
				"store": "Zagreb-1", "department": "online", "employee": "e-17", "product": "SKU-1", "amount": "129.90", "currency": "EUR",
			},
		},
		Consent: &survey.Consent{Basis: "existing_customer", Source: "checkout", At: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)},
		Actor:   "key_bootstrap",
		Plan: []survey.Step{
			{Channel: survey.Viber, Sender: "viber", Success: survey.AttemptDelivered, Wait: time.Hour},
			{Channel: survey.SMS, Sender: "sms", Success: survey.AttemptDelivered, Wait: time.Hour},
			{Channel: survey.Email, Sender: "email", Success: survey.AttemptDelivered, Wait: time.Hour},
		},
		CreatedAt: noon, UpdatedAt: noon, ExpiresAt: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC),
		Status: survey.Scheduled, Kind: survey.Invitation, Lane: "viber", DueAt: noon.Add(2 * time.Hour),
	}
	if diff := cmp.Diff(stored, r.sends[id]); diff != "" {
		t.Error(diff)
	}
	if r.wakes != 1 {
		t.Errorf("woken %d times", r.wakes)
	}
}

func TestCreateSendTwiceIsOne(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.call(t, "POST", "/v1/sends", full)
	second := r.call(t, "POST", "/v1/sends", full)
	if want := strings.Replace(first.body, `"duplicate":false`, `"duplicate":true`, 1); second.body != want || second.status != 202 {
		t.Errorf("got %d %s\nwant %s", second.status, second.body, want)
	}
}

func TestCreateSendLeast(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.call(t, "POST", "/v1/sends", least)
	var v struct {
		Status, Locale string
		DueAt          time.Time `json:"due_at"`
	}
	if err := json.Unmarshal([]byte(got.body), &v); err != nil {
		t.Fatal(err, got.body)
	}
	if v.Status != "accepted" || v.Locale != "en" || !v.DueAt.Equal(noon) {
		t.Errorf("got %+v", v)
	}
	for _, s := range r.sends {
		if s.ExpiresAt != noon.Add(7*24*time.Hour) {
			t.Errorf("expires at %s", s.ExpiresAt)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{"90m", 90 * time.Minute, true},
		{"2h", 2 * time.Hour, true},
		{"1d12h", 36 * time.Hour, true},
		{"1w", 7 * 24 * time.Hour, true},
		{"0s", 0, true},
		{"", 0, false},
		{"2", 0, false},
		{"h", 0, false},
		{"2H", 0, false},
		{"1.5h", 0, false},
		{"1h30", 0, false},
		{"9999999s", 0, false},
		{"999999w999999w999999w", 0, false},
		{"2 h", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			if got, ok := parseDuration(tt.in); ok != tt.ok || ok && got != tt.want {
				t.Errorf("parseDuration(%q) = %s, %t; want %s, %t", tt.in, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestListsAndCancel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var ids []string
	for i := range 3 {
		var v struct{ ID string }
		if err := json.Unmarshal([]byte(r.call(t, "POST", "/v1/sends", order(i)).body), &v); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, v.ID)
	}
	var page struct {
		Items []struct {
			ID       string
			Attempts []any
		}
		Next string
	}
	var got []string
	for cursor := ""; ; cursor = page.Next {
		page.Next = ""
		if err := json.Unmarshal([]byte(r.call(t, "GET", "/v1/sends?limit=2&cursor="+cursor, "").body), &page); err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Items {
			got = append(got, s.ID)
		}
		if page.Next == "" {
			break
		}
	}
	slices.Reverse(ids)
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Error(diff)
	}
	if one := r.call(t, "GET", "/v1/sends?transaction=order-1", ""); strings.Count(one.body, `"id":"snd_`) != 1 || strings.Contains(one.body, "attempts") {
		t.Errorf("by transaction: %s", one.body)
	}

	r.attempts[ids[0]] = []survey.Attempt{{ID: "att_1", Channel: survey.SMS, Status: survey.AttemptDelivered, Segments: 1, At: noon, UpdatedAt: noon}}
	shown := r.call(t, "GET", "/v1/sends/"+ids[0], "")
	if !strings.Contains(shown.body, `"attempts":[{"id":"att_1","kind":"","channel":"sms","sender":"","status":"delivered","provider_id":"","fault":"","code":"","segments":1,"at":"2026-11-20T14:05:00Z"`) {
		t.Errorf("shown: %s", shown.body)
	}
	cancelled := r.call(t, "POST", "/v1/sends/"+ids[0]+"/cancel", "")
	if cancelled.status != 200 || !strings.Contains(cancelled.body, `"status":"cancelled","reason":"cancelled"`) {
		t.Errorf("cancelled: %d %s", cancelled.status, cancelled.body)
	}
	if again := r.call(t, "POST", "/v1/sends/"+ids[0]+"/cancel", ""); again.status != 409 {
		t.Errorf("again: %d %s", again.status, again.body)
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	nine := 9
	id := r.api.cfg.IDs.New(survey.ResponsePrefix, noon)
	r.responses = []survey.Response{
		{
			ID: id, SendID: "snd_1", Mode: survey.Live, Survey: "nps-after-purchase", SurveyVersion: 1, Locale: "hr", Metric: survey.NPS, Score: 9,
			Segment: survey.Promoter, CreatedAt: noon, UpdatedAt: noon,
			Answers: []survey.Answer{{Question: "score", Value: &nine, Text: "devet", Channel: survey.SMS, Evidence: survey.EvidenceReply, At: noon}},
		},
		{ID: "rsp_2", SendID: "snd_1", Mode: survey.Test},
	}
	want := `{"id":"` + id + `","send_id":"snd_1","mode":"live","survey":"nps-after-purchase","survey_version":1,"locale":"hr","status":"partial",` +
		`"metric":{"type":"nps","score":9,"segment":"promoter"},"comment":"","answers":[{"question":"score","value":9,"text":"devet","channel":"sms","evidence":"reply","at":"2026-11-20T14:05:00Z"}],` +
		`"created_at":"2026-11-20T14:05:00Z","updated_at":"2026-11-20T14:05:00Z"}`
	if got := r.call(t, "GET", "/v1/responses?send=snd_1", ""); got.body != `{"items":[`+want+`]}` {
		t.Errorf("got %s", got.body)
	}
	if got := r.call(t, "GET", "/v1/responses/"+id, ""); got.body != want {
		t.Errorf("got %s", got.body)
	}
	r.responses[0].Mode = survey.Test
	if got := r.call(t, "GET", "/v1/responses/"+id, ""); got.status != 404 {
		t.Errorf("of the other mode: %d", got.status)
	}
}

func TestSuppressions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.call(t, "POST", "/v1/suppressions", `{"channel":"sms","address":"+385 91 123 4567","scope":"channel"}`); got.status != 201 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	want := []survey.Suppression{{Mode: survey.Live, Channel: survey.SMS, Address: "+385911234567", Scope: "channel", Reason: "manual", Source: "key_bootstrap", At: noon}}
	if diff := cmp.Diff(want, r.suppressions); diff != "" {
		t.Error(diff)
	}
	for body, status := range map[string]int{
		`{"channel":"fax","address":"1"}`: 422, `{}`: 422, `{"channel":"email","address":"x"}`: 422, `{"channel":"sms","address":"+385911234567","scope":"some"}`: 422, `{`: 400,
	} {
		if got := r.call(t, "POST", "/v1/suppressions", body); got.status != status {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	if got := r.call(t, "POST", "/v1/suppressions/lift", `{"channel":"sms","address":"00385911234567"}`); got.status != 204 || len(r.suppressions) != 0 {
		t.Errorf("lift: %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", "/v1/suppressions/lift", `{"channel":"sms","address":"00385911234567"}`); got.status != 404 {
		t.Errorf("lift again: %d %s", got.status, got.body)
	}
}
