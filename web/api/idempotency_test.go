package api

import (
	"strings"
	"testing"
	"time"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

func TestIdempotency(t *testing.T) {
	t.Parallel()
	for _, call := range []struct{ name, path, body, other, kind string }{
		{"one", "/v1/sends", least, full, mediaJSON},
		{"batch", "/v1/sends/batch", order(1) + "\n{}\n", order(2), mediaNDJSON},
	} {
		t.Run(call.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			headers := []string{"Content-Type", call.kind, "Idempotency-Key", "5b0f-1"}
			first := r.call(t, "POST", call.path, call.body, headers...)
			if first.status != 202 || first.header.Get(replayedHeader) != "" {
				t.Fatalf("first: %d %s", first.status, first.body)
			}
			again := r.call(t, "POST", call.path, call.body, headers...)
			if again.status != 202 || again.body != first.body || again.header.Get(replayedHeader) != "true" ||
				again.header.Get("Content-Type") != mediaJSON {
				t.Errorf("again: %d %s\n%s", again.status, again.body, first.body)
			}
			other := r.call(t, "POST", call.path, call.other, headers...)
			if other.status != 422 || other.problem(t).Code != web.CodeMismatch {
				t.Errorf("other body: %d %s", other.status, other.body)
			}
			byTest := append(headers, "Authorization", "Bearer "+r.key(t, survey.Test, "sends:write"))
			if got := r.call(t, "POST", call.path, call.body, byTest...); got.status != 202 || got.body == first.body {
				t.Errorf("the key of another caller: %d %s", got.status, got.body)
			}
			if len(r.sends) != 2 {
				t.Errorf("stored %d sends", len(r.sends))
			}
		})
	}
}

// A call that was taken and stored no send is one call, too: repeated, it has the same answer, and another body is refused.
func TestIdempotencyWithoutSends(t *testing.T) {
	t.Parallel()
	for _, call := range []struct{ name, path, body, other, kind string }{
		{"event of no rule", "/v1/events", leastEvent, strings.Replace(leastEvent, "{", "{ ", 1), mediaJSON},
		{"batch that is refused line by line", "/v1/sends/batch", "{}\n[]\n", order(1), mediaNDJSON},
	} {
		t.Run(call.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			headers := []string{"Content-Type", call.kind, "Idempotency-Key", "5b0f-1"}
			first := r.call(t, "POST", call.path, call.body, headers...)
			if first.status != 202 || first.header.Get(replayedHeader) != "" {
				t.Fatalf("first: %d %s", first.status, first.body)
			}
			again := r.call(t, "POST", call.path, call.body, headers...)
			if again.status != 202 || again.body != first.body || again.header.Get(replayedHeader) != "true" {
				t.Errorf("again: %d %s, replayed %q", again.status, again.body, again.header.Get(replayedHeader))
			}
			if other := r.call(t, "POST", call.path, call.other, headers...); other.status != 422 || other.problem(t).Code != web.CodeMismatch {
				t.Errorf("other body: %d %s", other.status, other.body)
			}
			if len(r.sends) != 0 || r.wakes != 0 {
				t.Errorf("stored %d sends, woke %d times; want nothing", len(r.sends), r.wakes)
			}
		})
	}
}

func TestIdempotencyAfterRefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.call(t, "POST", "/v1/sends", `{}`, "Idempotency-Key", "k"); got.status != 422 {
		t.Fatalf("bad: %d", got.status)
	}
	if got := r.call(t, "POST", "/v1/sends", least, "Idempotency-Key", "k"); got.status != 202 {
		t.Errorf("corrected: %d %s", got.status, got.body)
	}
}

func TestIdempotencyIsForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.replays["key_bootstrapk"] = Replay{Hash: [32]byte{1}, Status: 202, At: noon.Add(-24*time.Hour - time.Second)}
	if got := r.call(t, "POST", "/v1/sends", least, "Idempotency-Key", "k"); got.status != 202 || got.header.Get(replayedHeader) != "" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestIdempotencyInFlight(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.enter, r.leave = make(chan struct{}), make(chan struct{})
	first := make(chan answer)
	go func() { first <- r.call(t, "POST", "/v1/sends", least, "Idempotency-Key", "k") }()
	<-r.enter
	got := r.call(t, "POST", "/v1/sends", least, "Idempotency-Key", "k")
	if got.status != 409 || got.problem(t).Code != web.CodeInFlight || got.header.Get("Retry-After") == "" {
		t.Errorf("meanwhile: %d %s", got.status, got.body)
	}
	r.leave <- struct{}{}
	if got := <-first; got.status != 202 {
		t.Errorf("first: %d", got.status)
	}
	again := r.call(t, "POST", "/v1/sends", least, "Idempotency-Key", "k")
	if again.status != 202 || again.header.Get(replayedHeader) != "true" {
		t.Errorf("after: %d %s", again.status, again.body)
	}
}

// TestIdempotencyElsewhere: another process stores the answer between our look and our accept.
func TestIdempotencyElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.taken = &Replay{Hash: fingerprint("POST", "/v1/sends", []byte(least)), Status: 202, Body: []byte(`{"id":"snd_other"}`), At: noon}
	if got := r.call(t, "POST", "/v1/sends", least, "Idempotency-Key", "k"); !strings.Contains(got.body, "snd_other") || len(r.sends) != 0 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
