package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/odziv/odziv/channels/channeltest"
)

// A test key of a gateway with real senders reaches only the sandbox.
func TestLaw11TestKeyReachesNoProvider(t *testing.T) {
	t.Parallel()
	const key = "odz_test_0123456789abcdefghijklmnopqrstuv"
	p := newProcess(t, "", "ODZIV_BOOTSTRAP_KEY="+key)
	ps := newProviders(t, channeltest.Faults{}, p.listen)
	p.rewrite(ps.config(4))
	p.start()
	for channel, to := range map[string]string{"sms": "phone", "email": "email", "viber": "viber_id"} {
		address := map[string]string{"phone": "+385911234567", "email": "ana@example.hr", "viber_id": "01234567890A="}[to]
		status, text := request(t, http.MethodPost, p.url()+"/v1/sends", key, map[string]any{
			"survey": "nps-after-purchase", "recipient": map[string]any{to: address, "locale": "hr"}, "channels": []string{channel},
		})
		if status != http.StatusAccepted {
			t.Fatalf("%s: %d %s", channel, status, text)
		}
	}
	p.await("all three are on the sandbox", 20*time.Second, func() (string, bool) {
		_, text := request(t, http.MethodGet, p.url()+"/sandbox/messages?to=", "", nil)
		var list struct{ Items []struct{ Channel string } }
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatal(err)
		}
		return string(text), len(list.Items) == 3
	})
	if n := ps.smtp.Requests() + ps.twilio.Requests() + ps.viber.Requests(); n != 0 {
		t.Errorf("a test key made %d requests to real providers", n)
	}
}

// At the most talkative level, with refusals, faults, replies and mistakes of callers, no person, text, token or credential is in the log.
func TestLaw12PeopleStayOutOfLogs(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "")
	ps := newProviders(t, channeltest.Faults{Seed: 7, ServerError: 0.2, Refused: 0.2, Timeout: 0.05, Reset: 0.1}, p.listen)
	p.rewrite("log_level: debug\n" + ps.config(8))
	p.start()
	for i := range 60 {
		recipient := map[string]any{
			"name": "Ana Kovač", "email": fmt.Sprintf("ana%d@posta.example", i), "phone": fmt.Sprintf("+38591123%04d", i), "viber_id": fmt.Sprintf("viber-person-%02d=", i), "locale": "hr",
		}
		p.call(http.MethodPost, "/v1/sends", map[string]any{"survey": "nps-after-purchase", "recipient": recipient, "transaction": map[string]any{"id": fmt.Sprint(i)}}, nil)
	}
	p.call(http.MethodPost, "/v1/sends", `{"survey":"nps-after-purchase","recipient":{"phone":"+385 91 12"},"nonsense":"ana@posta.example"}`, nil)
	p.call(http.MethodPost, "/v1/sends", `{"survey":"+385911230000"`, nil)
	request(t, http.MethodGet, p.url()+"/v1/sends?contact=ana@posta.example", "odz_live_wrongwrongwrongwrongwrongwrong", nil)
	request(t, http.MethodPost, p.url()+"/webhooks/twilio/sms/inbound", "", "From=%2B385911230000&Body=preporucujem")
	p.await("some have arrived and some have failed", 30*time.Second, func() (string, bool) {
		n := counts(p.sends(false))
		return fmt.Sprint(n), n["delivered"]+n["sent"] >= 30 && strings.Contains(p.log.String(), `"outcome":"unreachable"`)
	})
	for _, m := range ps.twilio.Received() {
		_ = ps.twilio.Reply(t.Context(), m.To, m.From, "STOP preporucujem", p.url()+"/webhooks/twilio/sms/inbound")
	}
	p.await("a STOP is confirmed", 20*time.Second, func() (string, bool) {
		return "", strings.Contains(p.log.String(), `"kind":"optout"`)
	})
	private(t, p.log.String())
	for _, part := range []string{"Kova", "viber-person", "wrongwrong"} {
		if strings.Contains(p.log.String(), part) {
			t.Errorf("%q is in the log", part)
		}
	}
}
