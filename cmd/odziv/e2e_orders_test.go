package main

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/channels/channeltest"
)

const (
	goodOrders   = 960
	brokenOrders = 40
)

// A thousand orders of a shop go out over a real SMTP conversation, Twilio and Viber; 40 broken ones are explained; answers come back
// signed; and the outcomes add up.
func TestE2EOrders(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, env []string, _ string) {
		p := newProcess(t, "", env...)
		ps := newProviders(t, channeltest.Faults{}, p.listen)
		p.rewrite(ps.config(20))
		p.start()
		code, rejected, said := sendOrders(t.Context(), t, p.url())
		if code != 3 {
			t.Fatalf("odziv send ended with %d, want 3 (some were refused)\n%s", code, said)
		}
		explained(t, rejected)
		p.await("all orders have reached a provider", 4*time.Minute, func() (string, bool) {
			return fmt.Sprint(ps.count(), " messages ", counts(p.sends(false))), ps.count() >= goodOrders
		})
		if got := ps.count(); got != goodOrders {
			t.Errorf("%d messages for %d orders", got, goodOrders)
		}
		p.await("all Twilio and Viber receipts are in", 4*time.Minute, func() (string, bool) {
			n := counts(p.sends(false))
			return fmt.Sprint(n), n["delivered"] == ps.twilio.Count()+ps.viber.Count() && n["sent"] == ps.smtp.Count()
		})
		answered := answerAll(t, p, ps)
		var responses int
		p.await("every answer is understood", 4*time.Minute, func() (string, bool) {
			responses = p.responses()
			return fmt.Sprint(responses, " responses of ", answered), responses == answered
		})
		n := counts(p.sends(false))
		sum := 0
		for _, c := range n {
			sum += c
		}
		if sum != goodOrders || n["answered"] != answered {
			t.Errorf("outcomes %v add up to %d with %d answered; want %d, %d", n, sum, n["answered"], goodOrders, answered)
		}
		ps.check(t)
		private(t, p.log.String())
	})
}

// answerAll lets every customer of Twilio and Viber say 9, and some of those with mail choose on the page; it gives how many did.
func answerAll(t *testing.T, p *process, ps *providers) int {
	t.Helper()
	n := 0
	for _, m := range ps.twilio.Received() {
		if err := ps.twilio.Reply(t.Context(), m.To, m.From, "9", p.url()+"/webhooks/twilio/sms/inbound"); err != nil {
			t.Fatalf("a reply by SMS was not taken: %v", err)
		}
		n++
	}
	for _, m := range ps.viber.Received() {
		if err := ps.viber.Reply(t.Context(), m.To, m.Keys[9]); err != nil {
			t.Fatalf("a tap on Viber was not taken: %v", err)
		}
		n++
	}
	page := regexp.MustCompile(`http://[0-9.:]+/s/[A-Za-z0-9_-]+`)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for i, m := range ps.smtp.Received() {
		if i == 20 {
			break
		}
		link := page.FindString(m.Text)
		if link == "" {
			t.Fatalf("no link to the page in the mail %q", m.Text)
		}
		resp, err := client.PostForm(link, url.Values{"score": {"10"}})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("an answer on the page: %s", resp.Status)
		}
		n++
	}
	return n
}

func counts(sends []sendItem) map[string]int {
	n := make(map[string]int)
	for _, s := range sends {
		n[s.Status]++
	}
	return n
}

func (p *process) responses() int {
	n := 0
	for cursor := ""; ; {
		var page struct {
			Items []struct{ ID string }
			Next  string
		}
		p.call(http.MethodGet, "/v1/responses?limit=200&cursor="+url.QueryEscape(cursor), nil, &page)
		n += len(page.Items)
		if cursor = page.Next; cursor == "" {
			return n
		}
	}
}

// explained checks that each broken line is in the file of refused ones with a reason.
func explained(t *testing.T, rejected string) {
	t.Helper()
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(rejected, "\ufeff")))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("the file of refused lines: %v", err)
	}
	if len(rows)-1 != brokenOrders {
		t.Errorf("%d refused lines, want %d", len(rows)-1, brokenOrders)
	}
	for _, row := range rows[1:] {
		if reason := row[len(row)-1]; len(reason) < 12 {
			t.Errorf("line %q is not explained: %q", row, reason)
		}
	}
}

// private checks that no person is in a log (law 12).
func private(t *testing.T, log string) {
	t.Helper()
	for _, part := range []string{"@posta.example", "+385", "+381", "+386", "+48", "+98", "/s/", twilioToken, viberToken, bootstrapKey, "preporuc"} {
		if i := strings.Index(log, part); i >= 0 {
			t.Errorf("%q is in the log: …%s…", part, log[max(0, i-120):min(len(log), i+40)])
		}
	}
}

// Ten times kill -9 in the middle, and FLUSHALL once: nothing is lost, nothing is sent twice, what is not known is shown as such and
// settled by the receipt.
func TestLaw03And04KillAndFlush(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, env []string, redisURL string) {
		p := newProcess(t, "", env...)
		ps := newProviders(t, channeltest.Faults{Slow: 1, SlowBy: 60 * time.Millisecond}, p.listen)
		p.rewrite(ps.config(4))
		p.start()
		code, _, said := sendOrders(t.Context(), t, p.url())
		if code != 3 {
			t.Fatalf("odziv send ended with %d\n%s", code, said)
		}
		for i := range 10 {
			before := ps.count()
			p.await("some more have gone out", 4*time.Minute, func() (string, bool) {
				return fmt.Sprint(ps.count()), ps.count() >= min(before+25, goodOrders-1)
			})
			p.kill()
			if i == 5 && redisURL != "" {
				flush(t, redisURL)
			}
			p.start()
		}
		var sends []sendItem
		p.await("every send is settled or shown as uncertain", 4*time.Minute, func() (string, bool) {
			sends = p.sends(false)
			n := counts(sends)
			if n["accepted"]+n["scheduled"] > 0 {
				return fmt.Sprint(n), false
			}
			sends = p.sends(true)
			return fmt.Sprint(n), settled(sends)
		})
		ledger(t, sends, ps)
		ps.check(t)
		private(t, p.log.String())
	})
}

// settled: no attempt is in a state that will still change by itself.
func settled(sends []sendItem) bool {
	for _, s := range sends {
		for _, a := range s.Attempts {
			if a.Status == "claimed" || a.Channel == "sms" && a.Status == "accepted" {
				return false
			}
		}
	}
	return true
}

// ledger holds what the gateway says against what the providers really got.
func ledger(t *testing.T, sends []sendItem, ps *providers) {
	t.Helper()
	if len(sends) != goodOrders {
		t.Errorf("%d sends, want %d", len(sends), goodOrders)
	}
	got := make(map[string]int)
	for _, p := range []*channeltest.Provider{ps.smtp.Provider, ps.twilio.Provider, ps.viber.Provider} {
		for id, n := range p.ByAttempt() {
			got[id] += n
		}
	}
	uncertain, twice, lost := 0, 0, 0
	for _, s := range sends {
		received, open := 0, 0
		for _, a := range s.Attempts {
			received += got[a.ID]
			if a.Status == "uncertain" {
				open++
				if a.Channel == "sms" && got[a.ID] > 0 {
					t.Errorf("send %s: Twilio reported attempt %s and it is still uncertain", s.ID, a.ID)
				}
			}
			if got[a.ID] == 0 && a.Status != "uncertain" && a.Status != "failed" {
				t.Errorf("send %s: attempt %s is %s, and its provider never got it", s.ID, a.ID, a.Status)
			}
		}
		uncertain += open
		switch {
		case received > 1:
			twice++
			t.Errorf("send %s is %s, and %d messages of it went out: %+v", s.ID, s.Status, received, s.Attempts)
		case received == 0 && open == 0:
			lost++
			t.Errorf("send %s is %s, %s, and no provider got it: %+v", s.ID, s.Status, s.Reason, s.Attempts)
		}
	}
	if twice > 0 || lost > 0 {
		t.Errorf("%d sent twice, %d lost", twice, lost)
	}
	t.Logf("%d sends: %v; %d attempts uncertain, none twice, none lost", len(sends), counts(sends), uncertain)
}

func flush(t *testing.T, redisURL string) {
	t.Helper()
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(options)
	defer rdb.Close()
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// SIGTERM while messages go out: what is under way ends, the rest waits, and the process exits in its drain time.
func TestE2EShutdownUnderLoad(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, env []string, _ string) {
		p := newProcess(t, "", env...)
		ps := newProviders(t, channeltest.Faults{Slow: 1, SlowBy: 100 * time.Millisecond}, p.listen)
		p.rewrite(ps.config(8))
		p.start()
		if code, _, said := sendOrders(t.Context(), t, p.url()); code != 3 {
			t.Fatalf("odziv send ended with %d\n%s", code, said)
		}
		p.await("some have gone out", 4*time.Minute, func() (string, bool) { return fmt.Sprint(ps.count()), ps.count() > 50 })
		begin := time.Now()
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(15 * time.Second): // the drain time is 10 s
			t.Fatal("the gateway did not end")
		}
		if p.err != nil {
			t.Errorf("it ended with %v", p.err)
		}
		taken := ps.count()
		t.Logf("drained in %s after %d of %d", time.Since(begin).Round(time.Millisecond), taken, goodOrders)
		if taken >= goodOrders {
			t.Fatal("everything was out before the signal; nothing was shown")
		}
		p.start()
		p.await("the rest goes out after a new start", 4*time.Minute, func() (string, bool) {
			return fmt.Sprint(ps.count(), counts(p.sends(false))), ps.count() >= goodOrders
		})
		sends := p.sends(true)
		for _, s := range sends {
			for _, a := range s.Attempts {
				if a.Status == "uncertain" || a.Status == "claimed" {
					t.Errorf("send %s: attempt %s is %s after an orderly end", s.ID, a.ID, a.Status)
				}
			}
		}
		ledger(t, sends, ps)
	})
}
