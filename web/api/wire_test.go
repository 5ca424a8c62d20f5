package api

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/odziv/odziv/web"
)

// listen serves the rig on the loopback until the test ends.
func (r *rig) listen(t *testing.T) (url string) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.app.Listener(web.Listener(ln)) }()
	t.Cleanup(func() {
		_ = r.app.Shutdown()
		_ = ln.Close()
		if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

// TestTooLarge goes over a real connection: the server answers before it has read the body.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, kind, body string
	}{
		{"65 KiB", "/v1/sends", mediaJSON, least + strings.Repeat(" ", 65<<10)},
		{"17 MiB", "/v1/sends", mediaJSON, least + strings.Repeat(" ", 17<<20)},
		{"batch of 17 MiB", "/v1/sends/batch", mediaNDJSON, order(1) + strings.Repeat(" ", 17<<20)},
		{"17 MiB in chunks", "/v1/sends/batch", mediaNDJSON, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var body io.Reader = strings.NewReader(tt.body)
			if tt.body == "" {
				body = io.LimitReader(spaces{}, 17<<20)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.listen(t)+tt.path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+liveKey)
			req.Header.Set("Content-Type", tt.kind)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			read, _ := io.ReadAll(res.Body)
			got := answer{res.StatusCode, res.Header, string(read)}
			if p := got.problem(t); got.status != 413 || p.Code != web.CodeTooLarge || p.RequestID == "" || len(r.sends) != 0 {
				t.Errorf("got %d %s, stored %d", got.status, got.body, len(r.sends))
			}
			if got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("an early answer lacks the headers of all others")
			}
		})
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
