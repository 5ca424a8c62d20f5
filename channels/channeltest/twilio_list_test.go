package channeltest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/channeltest"
)

// listed asks the server for what it took.
func listed(t *testing.T, server *channeltest.Twilio, password string, query url.Values) (int, []string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"/2010-04-01/Accounts/"+account+"/Messages.json?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(account, password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct {
		Messages []struct {
			To, Status string
			ErrorCode  int    `json:"error_code"`
			DateSent   string `json:"date_sent"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range page.Messages {
		if _, err := time.Parse(time.RFC1123Z, m.DateSent); err != nil {
			t.Errorf("date_sent: %v", err)
		}
		out = append(out, m.To+" "+m.Status)
	}
	return resp.StatusCode, out
}

// Receipts come as the script says: late, out of order, or never, while the list knows what happened.
func TestTwilioScriptAndList(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	script := func(m channeltest.Received) []channeltest.Report {
		if m.AttemptID == "att_2" {
			return []channeltest.Report{{Word: "undelivered", Code: "30005", Lost: true}}
		}
		return []channeltest.Report{{After: 300 * time.Millisecond, Word: "sent"}, {Word: "delivered"}}
	}
	server, c := twilioPair(t, channeltest.TwilioConfig{Callbacks: channeltest.Callbacks{Script: script}})
	g.receiver = func() channels.Receiver { return c }
	before := time.Now().Add(-time.Second)
	for n := 1; n <= 2; n++ {
		if _, err := c.Send(t.Context(), sms(g, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.WaitCallbacks(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	g.check(t, "status delivered att_1 +385910000001", "status sent att_1 +385910000001")
	tests := []struct {
		name  string
		query url.Values
		want  []string
	}{
		{"all, newest first", url.Values{}, []string{"+385910000002 undelivered", "+385910000001 delivered"}},
		{"of one person", url.Values{"To": {"+385910000001"}}, []string{"+385910000001 delivered"}},
		{"one of a page", url.Values{"PageSize": {"1"}}, []string{"+385910000002 undelivered"}},
		{"since a moment", url.Values{"To": {"+385910000001"}, "DateSent>": {before.UTC().Format(time.RFC3339)}}, []string{"+385910000001 delivered"}},
		{"since tomorrow", url.Values{"DateSent>": {before.UTC().AddDate(0, 0, 1).Format(time.DateOnly)}}, nil},
		{"before yesterday", url.Values{"DateSent<": {before.UTC().AddDate(0, 0, -1).Format(time.DateOnly)}}, nil},
	}
	for _, tt := range tests {
		if _, got := listed(t, server, token, tt.query); !cmp.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	noViolations(t, server)
	if n := server.Lookups(); n != len(tests) {
		t.Errorf("Lookups = %d, want %d", n, len(tests))
	}
	if status, _ := listed(t, server, "wrong", nil); status != http.StatusUnauthorized {
		t.Errorf("wrong credentials: %d", status)
	}
	listed(t, server, token, url.Values{"Datesent": {"x"}})
	if _, n := server.Violations(); n != 2 {
		t.Errorf("%d violations, want 2", n)
	}
}

// A provider that hangs takes the message, and resets the connection when its time is over. It throttles with and without Retry-After.
func TestHangAndSilence(t *testing.T) {
	t.Parallel()
	server, c := twilioPair(t, channeltest.TwilioConfig{Faults: channeltest.Faults{Timeout: 1, HangFor: 20 * time.Millisecond}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := c.Send(ctx, sms(nil, 1))
	if e, ok := errors.AsType[*channels.Error](err); !ok || e.Fault != channels.Unconfirmed || ctx.Err() != nil {
		t.Errorf("Send = %v", err)
	}
	server.SetFaults(channeltest.Faults{Seed: 3, Throttled: 1, RetryAfter: 7 * time.Second, Silent: .5})
	named := 0
	for n := range 40 {
		_, err := c.Send(ctx, sms(nil, n))
		e, ok := errors.AsType[*channels.Error](err)
		if !ok || e.RetryAfter != 0 && e.RetryAfter != 7*time.Second {
			t.Fatalf("Send = %v", err)
		}
		if e.RetryAfter > 0 {
			named++
		}
	}
	if named < 8 || named > 32 {
		t.Errorf("%d of 40 named Retry-After", named)
	}
	if n := len(server.Arrivals()); n != 41 || server.Count() != 1 {
		t.Errorf("%d requests arrived and %d were taken, want 41 and 1", n, server.Count())
	}
}

// Throttling comes in spells, with the share that is asked for.
func TestSpells(t *testing.T) {
	t.Parallel()
	server, c := twilioPair(t, channeltest.TwilioConfig{Faults: channeltest.Faults{Seed: 3, Throttled: .1, Spell: 100}})
	throttled, calm := 0, 0
	for n := range 200 {
		_, err := c.Send(t.Context(), sms(nil, n))
		switch {
		case err == nil:
		case n%100 < 80:
			calm++
		default:
			throttled++
		}
	}
	if calm > 0 || throttled < 10 || throttled > 30 || server.Count() != 200-throttled {
		t.Errorf("%d throttled in spells, %d beside them; want about 20 and 0", throttled, calm)
	}
}

// Both answers about a message say how many segments it has.
func TestTwilioSegments(t *testing.T) {
	t.Parallel()
	server, _ := twilioPair(t, channeltest.TwilioConfig{})
	messages := server.URL() + "/2010-04-01/Accounts/" + account + "/Messages.json"
	ask := func(method string, form url.Values, into any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, messages, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(account, token)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	type message struct {
		Segments string `json:"num_segments"`
	}
	var taken message
	ask(http.MethodPost, url.Values{"To": {"+385911234567"}, "From": {"+385998765432"}, "Body": {strings.Repeat("a", 161)}}, &taken)
	var page struct{ Messages []message }
	ask(http.MethodGet, nil, &page)
	if taken.Segments != "2" || len(page.Messages) != 1 || page.Messages[0].Segments != "2" {
		t.Errorf("taken with %q segments, listed %+v; want 2", taken.Segments, page.Messages)
	}
}
