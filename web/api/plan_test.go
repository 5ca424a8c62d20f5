package api

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

const planned = `{"survey":"nps-after-purchase","recipient":{"phone":"+385 91 123 4567","email":"ana@example.hr"},`

func TestPlanOfASend(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.call(t, "POST", "/v1/sends", planned+`"plan":[{"channel":"sms","success_status":"answered","wait":"2d"},{"channel":"viber","sender":"bot"},{"channel":"email"}]}`)
	if got.status != 202 {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	want := []survey.Step{
		{Channel: survey.SMS, Success: survey.AttemptAnswered, Wait: 48 * time.Hour},
		{Channel: survey.Viber, Sender: "bot", Success: survey.AttemptDelivered, Wait: time.Hour},
		{Channel: survey.Email, Success: survey.AttemptAccepted},
	}
	for _, s := range r.sends {
		if diff := cmp.Diff(want, s.Plan); diff != "" {
			t.Errorf("plan: %s", diff)
		}
	}
}

func TestBadPlans(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, fault string }{
		{"both", `"channels":["sms"],"plan":[{"channel":"sms"}]`, "/channels invalid_plan"},
		{"no step", `"plan":[]`, "/plan invalid_plan"},
		{"no channel", `"plan":[{"wait":"2h"}]`, "/plan/0/channel missing_member"},
		{"unknown channel", `"plan":[{"channel":"fax"}]`, "/plan/0/channel unknown_channel"},
		{"unknown success", `"plan":[{"channel":"sms","success_status":"seen"}]`, "/plan/0/success_status invalid_plan"},
		{"impatient", `"plan":[{"channel":"sms","wait":"1s"}]`, "/plan/0/wait invalid_duration"},
		{"misspelt", `"plan":[{"channel":"sms","succes_status":"read"}]`, "/plan/0/succes_status unknown_member"},
		{"too long", `"plan":[` + strings.Repeat(`{"channel":"sms"},`, 10) + `{"channel":"sms"}]`, "/plan invalid_plan"},
		{"no list", `"plan":{"channel":"sms"}`, "/plan wrong_type"},
		{"no object", `"plan":["sms"]`, "/plan/0 wrong_type"},
		{"reminders without end", `"reminders":{"count":9}`, "/reminders/count invalid_plan"},
		{"half a reminder", `"reminders":{"count":1.5}`, "/reminders/count invalid_plan"},
		{"no count", `"reminders":{"after":"3d"}`, "/reminders/count missing_member"},
		{"pressing", `"reminders":{"count":1,"after":"5m"}`, "/reminders/after invalid_duration"},
		{"reminded by fax", `"reminders":{"count":1,"channel":"fax"}`, "/reminders/channel unknown_channel"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			got := r.call(t, "POST", "/v1/sends", planned+tt.body+`}`)
			var faults []string
			for _, e := range got.problem(t).Errors {
				faults = append(faults, e.Pointer+" "+e.Code)
			}
			if got.status != 422 || len(faults) != 1 || faults[0] != tt.fault || len(r.sends) != 0 {
				t.Errorf("%d, %q; want %q", got.status, faults, tt.fault)
			}
		})
	}
}
