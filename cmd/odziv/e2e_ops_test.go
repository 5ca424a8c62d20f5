package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// An operator stops a campaign, finds what failed, sends it again, and sees what waits for a sender: by the API of the
// whole program, on every store.
func TestE2EOperations(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, env []string, _ string) {
		p := newProcess(t, "policy: {window: none, cooldown: none}\nsenders:\n  mail: {channel: email, driver: sandbox}\n", env...)
		p.start()
		for i := range 3 {
			body := fmt.Sprintf(`{"survey":"nps-after-purchase","recipient":{"email":"ana%d@example.hr"},"channels":["email"],"delay":"2h"}`, i)
			if got := p.call(http.MethodPost, "/v1/sends", body, nil); got != http.StatusAccepted {
				t.Fatalf("accept: %d", got)
			}
		}
		var refused struct{ ID string }
		p.call(http.MethodPost, "/v1/sends", `{"survey":"csat-after-support","recipient":{"email":"rejected@example.com"},"channels":["email"]}`, &refused)

		var senders struct {
			Items []struct {
				Name, State string
				Pending     int
			}
		}
		p.await("three wait", 10*time.Second, func() (string, bool) {
			p.call(http.MethodGet, "/v1/senders", nil, &senders)
			s := senders.Items[0]
			return fmt.Sprint(senders), s.Name == "mail" && s.State == "ok" && s.Pending == 3
		})
		var done struct {
			Cancelled, Matching int
			More                bool
		}
		if p.call(http.MethodPost, "/v1/sends/cancel?dry_run=true", `{"survey":"nps-after-purchase"}`, &done); done.Matching != 3 {
			t.Errorf("a dry run would cancel %d", done.Matching)
		}
		if p.call(http.MethodPost, "/v1/sends/cancel", `{"survey":"nps-after-purchase"}`, &done); done.Cancelled != 3 || done.More {
			t.Errorf("cancelled %+v", done)
		}

		dead := func(attempts int) {
			t.Helper()
			p.await(fmt.Sprintf("a dead letter after %d attempts", attempts), 20*time.Second, func() (string, bool) {
				var letters struct {
					Items []struct {
						SendID               string `json:"send_id"`
						Reason, Sender, Code string
					}
				}
				p.call(http.MethodGet, "/v1/dead-letters?sender=mail&fault=rejected", nil, &letters)
				var send sendItem
				p.call(http.MethodGet, "/v1/sends/"+refused.ID, nil, &send)
				return fmt.Sprint(letters, send), len(letters.Items) == 1 && letters.Items[0].SendID == refused.ID &&
					letters.Items[0].Reason == "provider_rejected" && len(send.Attempts) == attempts
			})
		}
		dead(1)
		var sum struct{ Total int }
		if p.call(http.MethodGet, "/v1/dead-letters/summary", nil, &sum); sum.Total != 1 {
			t.Errorf("%d dead letters", sum.Total)
		}
		var replay struct{ Replayed int }
		if p.call(http.MethodPost, "/v1/dead-letters/replay", `{"reason":"provider_rejected","sender":"mail"}`, &replay); replay.Replayed != 1 {
			t.Errorf("replayed %+v", replay)
		}
		dead(2)
		outcomes := map[string]int{}
		for _, s := range p.sends(false) {
			outcomes[s.Status]++
		}
		if outcomes["cancelled"] != 3 || outcomes["failed"] != 1 || len(outcomes) != 2 { // law 2
			t.Errorf("outcomes %v", outcomes)
		}
	})
}
