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
		ContactID: contactID(survey.Live, survey.Recipient{ExternalID: "c-1881"}),
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
