package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

// A fakeGateway answers POST /v1/sends/batch as the real one: a kept answer for an Idempotency-Key that it knows,
// one send for an order however often it comes.
type fakeGateway struct {
	*httptest.Server
	// answered, when set, runs after a batch was stored; false loses the answer.
	answered func(batch int) bool

	mu      sync.Mutex
	batches int               // guarded by mu
	kept    map[string][]byte // guarded by mu: answers by Idempotency-Key
	asked   map[string]int    // guarded by mu: new sends by transaction id
	last    []sendRequest     // guarded by mu: of the last batch
}

func newFakeGateway(t *testing.T) *fakeGateway {
	t.Helper()
	g := &fakeGateway{kept: map[string][]byte{}, asked: map[string]int{}}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *fakeGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer odz_test_key" {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"title":"Unknown key","status":401,"code":"invalid_key","detail":"the key is not known"}`)
		return
	}
	if r.Method+r.URL.Path+r.Header.Get("Content-Type") != "POST/v1/sends/batchapplication/x-ndjson" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	g.mu.Lock()
	key := r.Header.Get("Idempotency-Key")
	answer, known := g.kept[key]
	if !known {
		g.batches++
		answer = g.accept(r.Body)
		g.kept[key] = answer
	}
	n := g.batches
	g.mu.Unlock()
	if known {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	if !known && g.answered != nil && !g.answered(n) {
		panic(http.ErrAbortHandler) // the answer is lost on the way
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(answer)
}

// accept is called with mu held.
func (g *fakeGateway) accept(body io.Reader) []byte {
	var items []string
	g.last = nil
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		var req sendRequest
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		at := len(items) + 1
		if err := d.Decode(&req); err != nil {
			items = append(items, fmt.Sprintf(`{"line":%d,"status":422,"error":{"title":"Wrong","errors":[{"pointer":"/x","code":"c","detail":%q}]}}`, at, err))
			continue
		}
		if e := req.Recipient.Email; e != "" && !plausibleEmail(e) {
			items = append(items, fmt.Sprintf(`{"line":%d,"status":422,"error":{"title":"Wrong","errors":[{"pointer":"/recipient/email","code":"invalid_email","detail":"is no address"}]}}`, at))
			continue
		}
		g.last = append(g.last, req)
		g.asked[req.Transaction.ID]++
		items = append(items, fmt.Sprintf(`{"line":%d,"status":202,"id":"snd_%d","duplicate":%t}`, at, len(g.asked), g.asked[req.Transaction.ID] > 1))
	}
	return []byte(`{"accepted":0,"items":[` + strings.Join(items, ",") + `]}`)
}

func plausibleEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && strings.Contains(strings.Trim(domain, "."), ".") && !strings.ContainsAny(s, " <>,;") && !strings.ContainsAny(domain, "@_") && !strings.Contains(s, "..")
}

func newOrders(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil { //nolint:gosec // in a folder of the test
		t.Fatal(err)
	}
	return path
}

func newSend(g *fakeGateway, file string) *sendCmd {
	return &sendCmd{
		File: file, URL: g.URL, Key: "odz_test_key", Survey: "nps-after-purchase",
		Timezone: "UTC", Encoding: encodingUTF8, Batch: 500,
	}
}

// runSend gives the exit code and everything that was written.
func runSend(ctx context.Context, c *sendCmd) (code int, out string, err error) {
	var w bytes.Buffer
	err = c.Run(ctx, &streams{Out: &w, Err: &w, Getenv: env()})
	var coded *exitError
	switch {
	case errors.As(err, &coded):
		code = coded.ExitCode()
	case err != nil:
		code = -1
	}
	return code, w.String(), err
}

func readRejected(t *testing.T, file string) [][]string {
	t.Helper()
	f, err := os.Open(rejectedPath(file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestSendExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/orders.csv")
	if err != nil {
		t.Fatal(err)
	}
	g, file := newFakeGateway(t), newOrders(t, "orders.csv", string(text))
	code, out, err := runSend(t.Context(), newSend(g, file))
	if code != exitRejected || !strings.Contains(out, "1000 orders in") || !strings.Contains(out, ": 960 accepted, 0 duplicate, 40 refused\n") {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	if len(g.asked) != 960 || g.batches != 2 {
		t.Errorf("%d sends in %d batches, want 960 in 2", len(g.asked), g.batches)
	}
	rows := readRejected(t, file)
	reasons := map[string]int{}
	for _, row := range rows[1:] {
		reasons[row[len(row)-1]]++
	}
	want := map[string]int{
		"it has no address: neither email nor phone":                                                      4,
		"it has no order number: without it the same order could be asked about twice":                    4,
		"the date cannot be read: write it as 2026-11-20 14:03":                                           4,
		"the country is not one of the two-letter codes of ISO 3166, such as HR":                          4,
		"the phone number cannot be read":                                                                 4,
		"/recipient/email: is no address":                                                                 6,
		"its only address is a land line, which receives no SMS":                                          2,
		`the quotes are broken: a column with a quote in it is written "like ""this"""`:                   3,
		"the phone number is of no known country: write it with +, fill in the country, or add --country": 1,
	}
	for reason := range reasons {
		switch {
		case strings.HasPrefix(reason, "the phone number does not exist in the numbering plan of "):
			want[reason] = reasons[reason] // five, below
		case strings.HasPrefix(reason, "it has ") && strings.Contains(reason, " columns, the header has "):
			want[reason] = reasons[reason] // three, below
		}
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("reasons: -want +got\n%s", diff)
	}
	total := 0
	for _, n := range reasons {
		total += n
	}
	if total != 40 {
		t.Errorf("%d lines are explained, want 40", total)
	}
	if _, err := os.Stat(statePath(file)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state of a finished run is still there: %v", err)
	}
}

// orders makes a CSV of n orders; every tenth has a broken address, every fifteenth none.
func orders(n int) string {
	var b strings.Builder
	b.WriteString("order_number,billing_email,billing_phone,billing_country\n")
	for i := 1; i <= n; i++ {
		email := fmt.Sprintf("c%d@example.hr", i)
		switch {
		case i%10 == 0:
			email = "c.example.hr"
		case i%15 == 0:
			email = ""
		}
		fmt.Fprintf(&b, "%d,%s,,HR\n", i, email)
	}
	return b.String()
}

// TestSendStopAndResume stops a run when a batch is stored and its answer is lost, again and again.
func TestSendStopAndResume(t *testing.T) {
	t.Parallel()
	g, file := newFakeGateway(t), newOrders(t, "orders.csv", orders(200))
	c := newSend(g, file)
	c.Batch = 17
	for stops := 1; ; stops++ {
		ctx, cancel := context.WithCancel(t.Context())
		g.answered = func(batch int) bool {
			if batch%3 == 0 {
				cancel()
				return false
			}
			return true
		}
		code, out, err := runSend(ctx, c)
		cancel()
		if code == exitRejected {
			if !strings.Contains(out, "200 orders in") || !strings.Contains(out, ": 173 accepted, 0 duplicate, 27 refused\n") {
				t.Errorf("summary %q", out)
			}
			if stops < 4 {
				t.Errorf("it was stopped %d times only", stops-1)
			}
			break
		}
		if code != exitStopped || !strings.Contains(err.Error(), "go on with the same command and --resume") || stops > 20 {
			t.Fatalf("stop %d: exit code %d, %v\n%s", stops, code, err, out)
		}
		if !strings.Contains(err.Error(), "stopped before line") {
			t.Errorf("error %v", err)
		}
		if code, _, err := runSend(t.Context(), newSend(g, file)); stops > 1 && (code != -1 || !strings.Contains(err.Error(), "--resume, or begin again with --restart")) {
			t.Fatalf("without --resume: exit code %d, %v", code, err)
		}
		if stops == 1 {
			c.Resume = true
		}
		// what a crash between the two writes leaves behind is cut off
		if f, err := os.OpenFile(rejectedPath(file), os.O_APPEND|os.O_WRONLY, 0); err == nil {
			_, _ = f.WriteString(strings.Repeat("9999,half a li", 1000))
			_ = f.Close()
		}
	}
	for id, n := range g.asked {
		if n != 1 {
			t.Errorf("order %s was asked for %d times", id, n)
		}
	}
	rows := readRejected(t, file)
	lines := map[string]bool{}
	for _, row := range rows[1:] {
		lines[row[4]] = true
	}
	if len(rows) != 28 || len(lines) != 27 {
		t.Errorf("%d refused lines, %d different; want 27", len(rows)-1, len(lines))
	}
	if diff := cmp.Diff([]string{"order_number", "billing_email", "billing_phone", "billing_country", "line", "reason"}, rows[0]); diff != "" {
		t.Errorf("header -want +got\n%s", diff)
	}
	if diff := cmp.Diff([]string{"10", "c.example.hr", "", "HR", "11", "/recipient/email: is no address"}, rows[1]); diff != "" {
		t.Errorf("first refused line -want +got\n%s", diff)
	}
}

func TestSendAgain(t *testing.T) {
	t.Parallel()
	g, file := newFakeGateway(t), newOrders(t, "orders.csv", "order_number,email\n1,a@example.hr\n2,b@example.hr\n")
	if code, out, err := runSend(t.Context(), newSend(g, file)); code != 0 {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	for _, id := range []string{"nps-after-purchase", "csat-after-support"} { // answered by the kept answer; by the orders
		again := newSend(g, file)
		again.Survey = id
		code, out, err := runSend(t.Context(), again)
		if code != 0 || !strings.Contains(out, ": 0 accepted, 2 duplicate, 0 refused\n") {
			t.Errorf("%s: exit code %d, %v\n%s", id, code, err, out)
		}
	}
}

// What a run that was stopped had handed over, without hearing so, is accepted and no duplicate.
func TestSendLostAnswer(t *testing.T) {
	t.Parallel()
	g, file := newFakeGateway(t), newOrders(t, "orders.csv", "order_number,email\n1,a@example.hr\n2,b@example.hr\n")
	g.answered = func(int) bool { return false }
	code, out, err := runSend(t.Context(), newSend(g, file))
	if code != 0 || !strings.Contains(out, ": 2 accepted, 0 duplicate, 0 refused\n") {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
}

func TestResumeNothing(t *testing.T) {
	t.Parallel()
	g, file := newFakeGateway(t), newOrders(t, "orders.csv", orders(20))
	if code, out, err := runSend(t.Context(), newSend(g, file)); code != exitRejected {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	batches := g.batches
	c := newSend(g, file)
	c.Resume, c.Batch = true, 7
	code, out, err := runSend(t.Context(), c)
	if code != -1 || !strings.Contains(err.Error(), "there is nothing to resume") || g.batches != batches {
		t.Errorf("exit code %d, %v, %d batches more\n%s", code, err, g.batches-batches, out)
	}
	if n := len(readRejected(t, file)); n != 4 {
		t.Errorf("%d refused lines are left, want 3", n-1)
	}
}

// A run that has heard of no line yet begins again where it was: at the beginning.
func TestSendStoppedAtOnce(t *testing.T) {
	t.Parallel()
	g, file := newFakeGateway(t), newOrders(t, "orders.csv", orders(5))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	code, _, err := runSend(ctx, newSend(g, file))
	if code != exitStopped || !strings.HasSuffix(err.Error(), "; go on with the same command") {
		t.Errorf("exit code %d, %v", code, err)
	}
}

func TestSendNDJSON(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t)
	file := newOrders(t, "orders.ndjson", `{"recipient":{"email":"a@example.hr"},"transaction":{"id":"1"}}
{"survey":"ces-after-return","recipient":{"email":"b@example.hr","locale":"sl"},"transaction":{"id":"2","touchpoint":"return"}}
{"recipent":{}}
{"recipient":`)
	c := newSend(g, file)
	c.Locale, c.Touchpoint, c.Channels = "hr", "delivery", []string{"email"}
	code, out, err := runSend(t.Context(), c)
	if code != exitRejected {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	want := []sendRequest{
		{
			Survey: "nps-after-purchase", Channels: []string{"email"},
			Recipient:   survey.Recipient{Email: "a@example.hr", Locale: "hr"},
			Transaction: survey.Transaction{ID: "1", Touchpoint: "delivery"},
		},
		{
			Survey: "ces-after-return", Channels: []string{"email"},
			Recipient:   survey.Recipient{Email: "b@example.hr", Locale: "sl"},
			Transaction: survey.Transaction{ID: "2", Touchpoint: "return"},
		},
	}
	if diff := cmp.Diff(want, g.last); diff != "" {
		t.Errorf("requests -want +got\n%s", diff)
	}
	text, err := os.ReadFile(rejectedPath(file))
	wantText := `{"line":3,"reason":"/x: json: unknown field \"recipent\"","record":"{\"recipent\":{}}"}
{"line":4,"reason":"it is not one JSON object on one line","record":"{\"recipient\":"}
`
	if err != nil || string(text) != wantText {
		t.Errorf("refused lines: %v\n%s\nwant\n%s", err, text, wantText)
	}
}

// The file of refused lines is mended and sent itself, and what is refused again is in a file like it.
func TestSendMendedNDJSON(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t)
	file := newOrders(t, "orders.ndjson", `{"recipent":{"email":"a@example.hr"},"transaction":{"id":"1"}}
{"recipient":{"email":"b@example.hr"},"transaction":{"id":"2"}
{"recipient":{"email":"c"},"transaction":{"id":"3"}}`)
	if code, out, err := runSend(t.Context(), newSend(g, file)); code != exitRejected {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	refused := rejectedPath(file)
	text, err := os.ReadFile(refused) //nolint:gosec // in a folder of the test
	if err != nil {
		t.Fatal(err)
	}
	mended := strings.NewReplacer("recipent", "recipient", `\"2\"}`, `\"2\"}}`).Replace(string(text))
	if err := os.WriteFile(refused, []byte(mended), 0o600); err != nil { //nolint:gosec // in a folder of the test
		t.Fatal(err)
	}
	code, out, err := runSend(t.Context(), newSend(g, refused))
	if code != exitRejected || !strings.Contains(out, "3 orders in") || !strings.Contains(out, ": 2 accepted, 0 duplicate, 1 refused\n") || g.asked["1"] != 1 || g.asked["2"] != 1 {
		t.Errorf("exit code %d, %v, asked %v\n%s", code, err, g.asked, out)
	}
	again, err := os.ReadFile(rejectedPath(refused))
	want := `{"line":3,"reason":"/recipient/email: is no address","record":"{\"recipient\":{\"email\":\"c\"},\"transaction\":{\"id\":\"3\"}}"}` + "\n"
	if err != nil || string(again) != want {
		t.Errorf("refused again: %v\n%s\nwant\n%s", err, again, want)
	}
}

func TestSendRefusesToStart(t *testing.T) {
	t.Parallel()
	g := newFakeGateway(t)
	tests := []struct {
		name, text string
		change     func(*sendCmd)
		want       string
	}{
		{"no key", "", func(c *sendCmd) { c.Key = "" }, "an API key is needed"},
		{"no survey", "", func(c *sendCmd) { c.Survey = "" }, "a survey is needed"},
		{"batch", "", func(c *sendCmd) { c.Batch = 0 }, "--batch is a number from 1 to 10000"},
		{"address", "", func(c *sendCmd) { c.URL = "gateway:80" }, "--url is not an absolute address"},
		{"channel", "", func(c *sendCmd) { c.Channels = []string{"fax"} }, `unknown channel "fax"`},
		{"zone", "order_number,email\n", func(c *sendCmd) { c.Timezone = "Zagreb" }, `--timezone: "Zagreb" is not a time zone`},
		{"no order number", "email\n", nil, `no column is the order number: say which is by --map "<column>=transaction_id"; the columns are email`},
		{"no address", "order_id,name\n", nil, `no column is an address`},
		{"mapped column is not there", "order_id,mail\n", func(c *sendCmd) { c.Map = map[string]string{"mial": "email"} }, `there is no such column; did you mean "mail"?`},
		{"unknown field", "order_id,mail\n", func(c *sendCmd) { c.Map = map[string]string{"mail": "emial"} }, `unknown field; did you mean "email"?`},
		{"key is wrong", "order_id,email\n1,a@example.hr\n", func(c *sendCmd) { c.Key = "odz_test_other" }, "401 Unauthorized: the key is not known; the key needs the scope sends:write"},
		{"not a gateway", "order_id,email\n1,a@example.hr\n", func(c *sendCmd) { c.URL += "/blog" }, "is the address of an Odziv gateway?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newSend(g, newOrders(t, "orders.csv", tt.text))
			if tt.change != nil {
				tt.change(c)
			}
			code, _, err := runSend(t.Context(), c)
			if code == 0 || code == exitRejected || !strings.Contains(fmt.Sprint(err), strings.TrimPrefix(tt.want, "is the address")) {
				t.Errorf("exit code %d, %v; want %q", code, err, tt.want)
			}
			if strings.Contains(fmt.Sprint(err), "odz_test_") {
				t.Errorf("the key is in the error: %v", err)
			}
		})
	}
}

func TestResumeRefusesAnotherFile(t *testing.T) {
	t.Parallel()
	g, file := newFakeGateway(t), newOrders(t, "orders.csv", orders(20))
	if err := (sendState{File: "other", URL: g.URL, Offset: 5, Line: 2}).write(file); err != nil {
		t.Fatal(err)
	}
	c := newSend(g, file)
	c.Resume = true
	if code, _, err := runSend(t.Context(), c); code != -1 || !strings.Contains(err.Error(), "the file has changed since its run was stopped") {
		t.Errorf("exit code %d, %v", code, err)
	}
	c.Resume, c.Restart = false, true
	if code, _, err := runSend(t.Context(), c); code != exitRejected || len(g.asked) != 17 {
		t.Errorf("restart: exit code %d, %v, %d sends", code, err, len(g.asked))
	}
}

func TestResumeWithoutTheRefusedLines(t *testing.T) {
	t.Parallel()
	g, file := newFakeGateway(t), newOrders(t, "orders.csv", "order_number,email\n1,a@example.hr\n2,b\n3,c\n")
	hash, err := os.Open(file) //nolint:gosec // in a folder of the test
	if err != nil {
		t.Fatal(err)
	}
	defer hash.Close()
	sum, err := hashFile(hash)
	if err != nil {
		t.Fatal(err)
	}
	stopped := sendState{File: sum, URL: g.URL, Offset: int64(len("order_number,email\n1,a@example.hr\n2,b\n")), Line: 4, Accepted: 1, Refused: 1, RejectedBytes: 99}
	if err := stopped.write(file); err != nil {
		t.Fatal(err)
	}
	c := newSend(g, file)
	c.Resume = true
	if code, out, err := runSend(t.Context(), c); code != exitRejected || !strings.Contains(out, ": 1 accepted, 0 duplicate, 2 refused\n") {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	want := [][]string{{"order_number", "email", "line", "reason"}, {"3", "c", "4", "/recipient/email: is no address"}}
	if diff := cmp.Diff(want, readRejected(t, file)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A roundTrip answers without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for pair := range slices.Chunk(header, 2) {
		h.Set(pair[0], pair[1])
	}
	return &http.Response{StatusCode: status, Status: strconv.Itoa(status) + " " + http.StatusText(status), Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func TestBatchClientTriesAgain(t *testing.T) {
	t.Parallel()
	const good = `{"items":[{"id":"snd_1"}]}`
	tests := []struct {
		name        string
		answers     []func() (*http.Response, error) // the last one for ever
		calls       int
		least, most time.Duration
		want        string // of the error; "" = none
	}{
		{"at once", answers(answer(202, good)), 1, 0, 0, ""},
		{"busy, with seconds", answers(answer(503, "", "Retry-After", "7"), answer(202, good)), 2, 7 * time.Second, 7 * time.Second, ""},
		{"too fast, with a date", answers(answer(429, "", "Retry-After", "Sat, 01 Jan 2000 00:00:40 GMT"), answer(202, good)), 2, 40 * time.Second, 40 * time.Second, ""},
		{"in flight, without", answers(answer(409, ""), answer(202, good)), 2, time.Second / 2, time.Second, ""},
		{"no network", append(answers(), func() (*http.Response, error) { return nil, errors.New("dial: refused") }), tries, 30 * time.Second, 2 * time.Minute, "the gateway does not take the batch: the gateway does not answer: "},
		{"never well", answers(answer(502, "")), tries, 30 * time.Second, 2 * time.Minute, "the gateway does not take the batch: the gateway answered 502 Bad Gateway"},
		{"a pause of hours", answers(answer(503, "", "Retry-After", "7200")), 1, 0, 0, "the gateway does not take the batch: the gateway answered 503 Service Unavailable"},
		{"wrong batch", answers(answer(422, `{"title":"Wrong","detail":"no"}`)), 1, 0, 0, "the gateway answered 422 Unprocessable Entity: no"},
		{"moved", answers(answer(301, "", "Location", "/")), 1, 0, 0, "the gateway answered 301 Moved Permanently"},
		{"too few results", answers(answer(202, `{"items":[]}`)), 1, 0, 0, "the gateway gave 0 results for 1 lines"},
		{"no result", answers(answer(202, `{"items":[{}]}`)), 1, 0, 0, "the gateway's answer has neither id nor error for line 1 of the batch"},
		{"other answer", answers(answer(200, `<html>`)), 1, 0, 0, "the gateway's answer cannot be read: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls, keys := 0, map[string]bool{}
				c := &batchClient{
					url: "http://gateway", key: "k", now: time.Now, note: func(string) {},
					http: newHTTPClient(),
				}
				c.http.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					calls++
					keys[r.Header.Get("Idempotency-Key")] = true
					return tt.answers[min(calls, len(tt.answers))-1]()
				})
				began := time.Now()
				_, err := c.post(t.Context(), "key", []byte("{}\n"), 1, false)
				took := time.Since(began)
				if calls != tt.calls || took < tt.least || took > tt.most || len(keys) != 1 {
					t.Errorf("%d calls with %d keys in %s; want %d in %s to %s", calls, len(keys), took, tt.calls, tt.least, tt.most)
				}
				if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
			})
		})
	}
}

func answers(list ...*http.Response) []func() (*http.Response, error) {
	var out []func() (*http.Response, error)
	for _, a := range list {
		out = append(out, func() (*http.Response, error) {
			again := *a
			again.Body = io.NopCloser(strings.NewReader(""))
			if a.Body != nil {
				text, _ := io.ReadAll(a.Body)
				a.Body = io.NopCloser(bytes.NewReader(text))
				again.Body = io.NopCloser(bytes.NewReader(text))
			}
			return &again, nil
		})
	}
	return out
}

func TestBatchClientStopsWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		c := &batchClient{url: "http://gateway", now: time.Now, note: func(string) {}, http: newHTTPClient()}
		c.http.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return answer(503, "", "Retry-After", "60"), nil })
		began := time.Now()
		if _, err := c.post(ctx, "key", nil, 0, false); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestProgress(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	var out bytes.Buffer
	p := newProgress(&out, func() time.Time { return now }, 1000, sendState{Offset: 200, Accepted: 100})
	now = now.Add(10 * time.Second)
	s := sendState{Offset: 600, Accepted: 280, Duplicate: 15, Refused: 5}
	const text = " 60 %  280 accepted, 15 duplicate, 5 refused  20/s  ETA 10s"
	p.show(s)
	p.show(s) // too soon for another line
	if out.String() != text+"\n" {
		t.Errorf("plain: %q, want %q", out.String(), text)
	}
	out.Reset()
	p.width = 80
	p.show(s)
	p.note("the gateway is busy")
	p.end()
	want := "\r\x1b[K[##########-------] " + text + "\r\x1b[Kthe gateway is busy\n\n"
	if out.String() != want {
		t.Errorf("bar: %q, want %q", out.String(), want)
	}
	for width := range 90 {
		if p.width = width; width > 0 && len(p.bar(s)) >= width && width > 1 {
			t.Errorf("a bar of %d for a terminal of %d", len(p.bar(s)), width)
		}
	}
}
