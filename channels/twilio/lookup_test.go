package twilio_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/channeltest"
	"github.com/odziv/odziv/channels/twilio"
	"github.com/odziv/odziv/survey"
)

func TestFind(t *testing.T) {
	t.Parallel()
	stub, err := channeltest.NewTwilio(channeltest.TwilioConfig{AccountSID: account, AuthToken: token, From: config().From})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stub.Close() })
	cfg := config()
	cfg.BaseURL = stub.URL()
	c, err := twilio.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	began := time.Now()
	const ana, text = "+385911234567", "Koliko biste nas preporučili? Odgovorite brojem 0-10."
	for _, m := range []channels.Message{{To: ana, Text: text}, {To: "+385911234568", Text: text}, {To: ana, Text: "Hvala!"}} {
		if _, err := c.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		look  channels.Lookup
		found int
	}{
		{"all to the number", channels.Lookup{AttemptID: "att_1", To: ana, Since: began}, 2},
		{"another person", channels.Lookup{To: "+385911234569", Since: began}, 0},
		{"before it was sent", channels.Lookup{To: ana, Since: began.Add(time.Hour)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found, err := c.Find(t.Context(), tt.look)
			if err != nil || len(found) != tt.found {
				t.Fatalf("%d found, %v; want %d", len(found), err, tt.found)
			}
			if tt.found > 0 && (found[0].ProviderID == "" || found[0].AttemptID != "att_1" || found[0].Status != survey.AttemptAccepted || found[0].Text == "") {
				t.Errorf("found %+v", found[0])
			}
		})
	}
}

// A list that says nothing, or nonsense, teaches nothing: it never says that a message is not there.
func TestFindLearnsNothing(t *testing.T) {
	t.Parallel()
	full := make([]map[string]string, 200)
	for i := range full {
		full[i] = map[string]string{"sid": "SM1", "status": "sent", "body": "other", "date_created": time.Now().Format(time.RFC1123Z)}
	}
	page, _ := json.Marshal(map[string]any{"messages": full})
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"server error": {500, `{"code":20500}`}, "throttled": {429, `{"code":20429}`}, "no JSON": {200, `<html>`}, "empty": {200, ``},
		"another page": {200, string(page)}, "redirect": {302, ``}, "forbidden": {401, `{"code":20003}`}, "no list": {200, `{"messages":7}`},
		"no member": {200, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(answer.status)
				_, _ = w.Write([]byte(answer.body))
			}))
			t.Cleanup(srv.Close)
			cfg := config()
			cfg.BaseURL = srv.URL
			c, err := twilio.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := c.Find(t.Context(), channels.Lookup{To: "+385911234567", Since: time.Now()}); err == nil {
				t.Errorf("found %v without an error", found)
			}
		})
	}
}
