// Package channeltest is what every driver must meet: contract files that are replayed to it, and servers that play the
// providers, check what they are sent, and call back as the real ones do.
package channeltest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/odziv/odziv/channels"
)

// A Factory makes the driver under test against a server of the test. Secrets must never show in an error.
type Factory func(baseURL string) (c channels.Channel, secrets []string, err error)

// sourced is what the head of a contract file says: where the provider states it, and when that was read.
var sourced = regexp.MustCompile(`(?m)^Source: \S.*, read \d{4}-\d{2}-\d{2}\.?$`)

// Run replays the contract files that match glob. Each is a txtar archive:
//
//	Source: https://…, read 2026-11-21
//	-- message.json --  a channels.Message
//	-- request --       POST /path, headers that must be there, an empty line, then the body: of a form its decoded
//	                    name=value lines, of JSON the document. Absent: no request may arrive.
//	-- answer --        HTTP status, headers, an empty line, the body; or one word: reset (the request is read and the
//	                    connection closed), hang (and nothing more is said), refuse (nobody listens), cancelled (before Send)
//	-- receipt.json --  the channels.Receipt, or
//	-- fault --         fault: transient, and code: and retry_after: where there are such
func Run(t *testing.T, glob string, f Factory) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no contract files match %s: %v", glob, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			replay(t, file, f)
		})
	}
}

type contract struct {
	message channels.Message
	files   map[string]string
}

func readContract(t *testing.T, file string) contract {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !sourced.Match(a.Comment) {
		t.Errorf("%s does not begin with «Source: URL, read YYYY-MM-DD»", file)
	}
	c := contract{files: map[string]string{}}
	known := []string{"message.json", "request", "answer", "dialogue", "receipt.json", "fault"}
	for _, f := range a.Files {
		if !slices.Contains(known, f.Name) {
			t.Fatalf("%s: unknown part %q", file, f.Name)
		}
		c.files[f.Name] = string(f.Data)
	}
	dec := json.NewDecoder(strings.NewReader(c.files["message.json"]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c.message); err != nil {
		t.Fatalf("%s: message.json: %v", file, err)
	}
	return c
}

func replay(t *testing.T, file string, f Factory) {
	t.Helper()
	c := readContract(t, file)
	s := &scripted{answer: strings.TrimSpace(c.files["answer"]), done: make(chan struct{})}
	server := httptest.NewServer(s)
	defer server.Close()
	defer close(s.done)
	if s.answer == "refuse" {
		server.Close()
	}
	channel, secrets, err := f(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	switch s.answer {
	case "hang": // the driver's caller gives up once the provider has the request
		hung, stop := context.WithCancel(ctx)
		defer stop()
		s.taken, ctx = stop, hung
	case "cancelled":
		cancel()
	}
	receipt, err := channel.Send(ctx, c.message)
	c.check(t, receipt, err, secrets)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.checkRequests(t, s.got)
}

// check compares the outcome and looks for people and secrets in the error.
func (c contract) check(t *testing.T, receipt channels.Receipt, err error, secrets []string) {
	t.Helper()
	wanted, success := c.files["receipt.json"]
	if success {
		var want channels.Receipt
		if e := json.Unmarshal([]byte(wanted), &want); e != nil {
			t.Fatalf("receipt.json: %v", e)
		}
		if err != nil {
			t.Fatalf("Send: %v", err)
		}
		if diff := cmp.Diff(want, receipt); diff != "" {
			t.Errorf("receipt differs (-want +got):\n%s", diff)
		}
		return
	}
	fault, ok := errors.AsType[*channels.Error](err)
	if !ok {
		t.Fatalf("Send = %+v, %v; want an *Error", receipt, err)
	}
	got := fmt.Sprintf("fault: %s\n", fault.Fault)
	if fault.Code != "" {
		got += fmt.Sprintf("code: %s\n", fault.Code)
	}
	if fault.RetryAfter != 0 {
		got += fmt.Sprintf("retry_after: %s\n", fault.RetryAfter)
	}
	if diff := cmp.Diff(c.files["fault"], got); diff != "" {
		t.Errorf("fault differs (-want +got):\n%s\nerror: %v", diff, err)
	}
	CheckError(t, err, append(secrets, c.message.To, c.message.ToName, c.message.Text)...)
}

// CheckError fails the test if the text of err holds any of the secrets, or the digits or local part of an address.
func CheckError(t *testing.T, err error, secrets ...string) {
	t.Helper()
	text := strings.ToLower(err.Error())
	for _, s := range secrets {
		local, _, _ := strings.Cut(s, "@")
		for _, part := range []string{s, local, strings.TrimPrefix(s, "+")} {
			if part != "" && strings.Contains(text, strings.ToLower(part)) {
				t.Errorf("error %q holds %q", err, part)
			}
		}
	}
}

func (c contract) checkRequests(t *testing.T, requests []string) {
	t.Helper()
	want, any := c.files["request"]
	if !any {
		if len(requests) > 0 {
			t.Errorf("unexpected request:\n%s", requests[0])
		}
		return
	}
	if len(requests) != 1 {
		t.Fatalf("%d requests arrived; want 1", len(requests))
	}
	wantHead, wantBody, _ := strings.Cut(want, "\n\n")
	gotHead, gotBody, _ := strings.Cut(requests[0], "\n\n")
	lines := strings.Split(gotHead, "\n")
	for line := range strings.SplitSeq(strings.TrimSpace(wantHead), "\n") {
		if !slices.Contains(lines, line) {
			t.Errorf("request has no line %q; its head is:\n%s", line, gotHead)
		}
	}
	if diff := cmp.Diff(canonical(wantBody), canonical(gotBody)); diff != "" {
		t.Errorf("body differs (-want +got):\n%s", diff)
	}
}

// canonical brings JSON to one spelling and leaves other text as it is.
func canonical(body string) string {
	var out bytes.Buffer
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return strings.TrimSpace(body)
	}
	enc := json.NewEncoder(&out)
	enc.SetIndent("", " ")
	_ = enc.Encode(v)
	return strings.TrimSpace(out.String())
}

// scripted gives one answer to every request and notes what came.
type scripted struct {
	answer string
	taken  func() // called when a request is read that will not be answered
	mu     sync.Mutex
	got    []string // guarded by mu: the requests
	done   chan struct{}
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text := describe(r)
	s.mu.Lock()
	s.got = append(s.got, text)
	s.mu.Unlock()
	switch s.answer {
	case "reset":
		hangUp(w)
		return
	case "hang":
		s.taken()
		select {
		case <-s.done:
		case <-r.Context().Done():
		}
		return
	}
	head, body, _ := strings.Cut(s.answer, "\n\n")
	lines := strings.Split(head, "\n")
	var status int
	if _, err := fmt.Sscanf(lines[0], "%d", &status); err != nil {
		status = http.StatusNotImplemented
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// hangUp closes the connection with a reset, so that no answer is taken for an empty one.
func hangUp(w http.ResponseWriter) {
	nc, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = nc.Close()
}

// describe writes a request as contract files do.
func describe(r *http.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	for name := range r.Header {
		fmt.Fprintf(&b, "%s: %s\n", name, r.Header.Get(name))
	}
	b.WriteString("\n")
	body, _ := io.ReadAll(r.Body)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		b.Write(body)
		return b.String()
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return b.String() + string(body)
	}
	var lines []string
	for name, values := range form {
		for _, v := range values {
			lines = append(lines, name+"="+v)
		}
	}
	slices.Sort(lines)
	return b.String() + strings.Join(lines, "\n")
}
