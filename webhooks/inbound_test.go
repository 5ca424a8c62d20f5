package webhooks_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/twilio"
	"github.com/odziv/odziv/channels/viberbot"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
	"github.com/odziv/odziv/webhooks"
)

const (
	token    = "12345678901234567890123456789012"
	botToken = "4453b6ac12345678-e02c5f12174805f9-daec9cbb5448c51f"
	phone    = "+385911234567"
	person   = "01234567890A="
	public   = "https://ask.example.hr"
	form     = "application/x-www-form-urlencoded; charset=UTF-8"
	inbound  = "/webhooks/twilio/sms/inbound"
	status   = "/webhooks/twilio/sms/status?attempt=att_01K0000000000000000000000A"
	viber    = "/webhooks/viber-bot/bot"
	message  = `{"event":"message","timestamp":1457764197627,"message_token":4912661846655238145,"sender":{"id":"01234567890A="},"message":{"type":"text","text":"9"}}`
)

// A recorder keeps callbacks as the store does: one of each sender and key.
type recorder struct {
	mu   sync.Mutex
	kept []survey.Inbound // guarded by mu
	err  error
	said func(string) // what happened, in order; nil = nobody asks
}

func (r *recorder) PutInbound(ctx context.Context, in survey.Inbound) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil || r.err != nil {
		return false, errors.Join(err, r.err)
	}
	if slices.ContainsFunc(r.kept, func(k survey.Inbound) bool { return k.Sender == in.Sender && k.Key == in.Key }) {
		return false, nil
	}
	r.kept = append(r.kept, in)
	if r.said != nil {
		r.said("kept")
	}
	return true, nil
}

// A rig is webhooks on an app, with what it keeps, says and logs.
type rig struct {
	*recorder
	app   *fiber.App
	log   bytes.Buffer
	woken int
}

func newRig(tb testing.TB, publicURL string, extra map[string]webhooks.Sender) *rig {
	tb.Helper()
	sms, err := twilio.New(twilio.Config{AccountSID: "AC1", AuthToken: token, From: "+385998765432"})
	if err != nil {
		tb.Fatal(err)
	}
	bot, err := viberbot.New(viberbot.Config{AuthToken: botToken, Name: "Trgovina"})
	if err != nil {
		tb.Fatal(err)
	}
	g := &rig{recorder: &recorder{}}
	senders := map[string]webhooks.Sender{"sms": {Driver: "twilio", Via: sms}, "bot": {Driver: "viber-bot", Via: bot}}
	maps.Copy(senders, extra)
	in := &webhooks.Inbound{
		Recorder: g.recorder, Senders: senders, PublicURL: publicURL, IDs: new(survey.IDSource), Wake: func() { g.woken++ },
		Log: slog.New(slog.NewJSONHandler(&g.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: time.Now,
	}
	g.app = fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true, BodyLimit: 1 << 20, ErrorHandler: answer})
	in.Mount(g.app)
	return g
}

// answer is web's: the problem of an error.
func answer(c *fiber.Ctx, err error) error {
	p := web.ProblemOf(err).At(public, "req_1")
	return c.Status(p.Status).JSON(p, web.ContentTypeProblem)
}

type call struct {
	path, kind, body string
	header           http.Header
}

// do gives the status, type and body of the answer.
func (g *rig) do(tb testing.TB, c call) (code int, kind, body string) {
	tb.Helper()
	req := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
	maps.Copy(req.Header, c.header)
	if c.kind != "" {
		req.Header.Set("Content-Type", c.kind)
	}
	res, err := g.app.Test(req, -1)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Content-Type"), string(raw)
}

func reply(text string) url.Values {
	return url.Values{
		"AccountSid": {"AC1"}, "MessageSid": {"SM0123456789abcdef0123456789abcdef"}, "From": {phone}, "To": {"+385998765432"},
		"Body": {text}, "NumMedia": {"0"},
	}
}

func delivered() url.Values {
	return url.Values{"MessageSid": {"SM0123456789abcdef0123456789abcdef"}, "MessageStatus": {"delivered"}, "To": {phone}}
}

// twilioCall is signed for what Twilio calls: publicURL and path.
func twilioCall(publicURL, path string, values url.Values) call {
	return call{path, form, values.Encode(), http.Header{
		"X-Twilio-Signature": {twilio.Sign(token, publicURL+path+twilio.SignedForm(values))}, "User-Agent": {"TwilioProxy/1.1"},
		"I-Twilio-Idempotency-Token": {"0b1f"},
	}}
}

func viberCall(body string) call {
	return call{viber, "application/json", body, http.Header{"X-Viber-Content-Signature": {viberbot.Sign(botToken, []byte(body))}}}
}

func (c call) with(name, value string) call {
	c.header = c.header.Clone()
	c.header.Set(name, value)
	return c
}

func (c call) at(path string) call {
	c.path = path
	return c
}

func (c call) saying(body string) call {
	c.body = body
	return c
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	sms := func(path string, values url.Values) call { return twilioCall(public, path, values) }
	tests := []struct {
		name     string
		call     call
		code     int
		kind     string // of the answer
		answer   string
		endpoint string
		kept     bool
	}{
		{"twilio reply", sms(inbound, reply("Odlično! 9")), 200, "text/xml", `<?xml version="1.0" encoding="UTF-8"?><Response/>`, "inbound", true},
		{"twilio receipt", sms(status, delivered()), 200, "text/xml", `<?xml version="1.0" encoding="UTF-8"?><Response/>`, "status", true},
		{"twilio, unknown word", sms(status, url.Values{"MessageStatus": {"teleported"}}), 200, "text/xml", `<?xml version="1.0" encoding="UTF-8"?><Response/>`, "status", true},
		{"twilio, unknown endpoint", sms("/webhooks/twilio/sms/incoming", reply("STOP")), 404, "", "", "", false},
		{"twilio, no endpoint", sms("/webhooks/twilio/sms", reply("STOP")), 404, "", "", "", false},
		{"twilio, slash at the end", sms(inbound+"/", reply("9")), 200, "text/xml", `<?xml version="1.0" encoding="UTF-8"?><Response/>`, "inbound", true},
		{"viber, any endpoint", viberCall(message).at(viber + "/later"), 200, "application/json", "{}", "later", true},
		{"twilio, escapes in the query", sms(inbound+"?a=%7E+b%2fc&d", reply("9")), 200, "text/xml", `<?xml version="1.0" encoding="UTF-8"?><Response/>`, "inbound", true},
		{"viber reply", viberCall(message), 200, "application/json", "{}", "", true},
		{"viber, unknown event", viberCall(`{"event":"client_status","timestamp":1}`), 200, "application/json", "{}", "", true},
		{"viber, signed but no JSON", viberCall("not JSON \xff"), 200, "application/json", "{}", "", true},
		{"twilio, forged", sms(inbound, reply("9")).with("X-Twilio-Signature", twilio.Sign("other", "x")), 401, "", "", "", false},
		{"twilio, not signed", call{inbound, form, reply("9").Encode(), nil}, 401, "", "", "", false},
		{"twilio, other words", sms(inbound, reply("9")).saying(reply("1").Encode()), 401, "", "", "", false},
		{"twilio, signed for another path", sms(inbound, reply("9")).at(status), 401, "", "", "", false},
		{"twilio, signed for another query", sms(status, delivered()).at(status + "B"), 401, "", "", "", false},
		{"twilio, signed for another host", twilioCall("https://other.example.hr", inbound, reply("9")), 401, "", "", "", false},
		{"twilio, signed for http", twilioCall("http://ask.example.hr", inbound, reply("9")), 401, "", "", "", false},
		{"viber, forged", viberCall(message).with("X-Viber-Content-Signature", viberbot.Sign("other", []byte(message))), 401, "", "", "", false},
		{"viber, not signed", call{viber, "application/json", message, nil}, 401, "", "", "", false},
		{"viber, one byte more", viberCall(message).saying(message + "\n"), 401, "", "", "", false},
		{"sender unknown", sms("/webhooks/twilio/nobody/inbound", reply("9")), 404, "", "", "", false},
		{"driver unknown", sms("/webhooks/vonage/sms/inbound", reply("9")), 404, "", "", "", false},
		{"driver of another sender", sms("/webhooks/viber-bot/sms/inbound", reply("9")), 404, "", "", "", false},
		{"said not to be compressed", viberCall(message).with("Content-Encoding", "identity"), 200, "application/json", "{}", "", true},
		{"compressed", viberCall(message).with("Content-Encoding", "gzip"), 415, "", "", "", false},
		{"as large as may be", viberCall(strings.Repeat("x", 64<<10)), 200, "application/json", "{}", "", true},
		{"too large", viberCall(strings.Repeat("x", 64<<10+1)), 413, "", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, public, nil)
			code, kind, answer := g.do(t, tt.call)
			if code != tt.code || len(g.kept) > 0 != tt.kept || g.woken > 0 != tt.kept {
				t.Fatalf("answered %d %q, kept %d, woken %d; want %d, kept %t", code, answer, len(g.kept), g.woken, tt.code, tt.kept)
			}
			if tt.code == http.StatusUnauthorized && (kind != web.ContentTypeProblem || !strings.Contains(answer, `"code":"invalid_signature"`) ||
				!strings.Contains(answer, `"request_id":"req_1"`)) {
				t.Errorf("answered %s %s, want a problem invalid_signature with the id of the request", kind, answer)
			}
			if !tt.kept {
				return
			}
			if kind != tt.kind || answer != tt.answer {
				t.Errorf("acknowledged %q %q; want %q %q", kind, answer, tt.kind, tt.answer)
			}
			in := g.kept[0]
			if string(in.Body) != tt.call.body || in.URL != public+tt.call.path || in.Endpoint != tt.endpoint ||
				!strings.HasPrefix(tt.call.path, "/webhooks/"+map[string]string{"sms": "twilio", "bot": "viber-bot"}[in.Sender]+"/"+in.Sender) ||
				in.Mode != survey.Live || in.At.IsZero() || in.Key == "" || !strings.HasPrefix(in.ID, survey.InboundPrefix) {
				t.Errorf("kept %+v", in)
			}
		})
	}
}

// What providers call is public_url, whatever our own listener sees; a proxy in front takes the path of public_url off.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, url, calls string }{
		{"plain", "https://ask.example.hr", "https://ask.example.hr"},
		{"slash at the end", "https://ask.example.hr/", "https://ask.example.hr"},
		{"path", "https://example.hr/ask", "https://example.hr/ask"},
		{"path and slash", "https://example.hr/ask/", "https://example.hr/ask"},
		{"port", "https://example.hr:8443", "https://example.hr:8443"},
		{"implied port, signed without", "https://example.hr:443", "https://example.hr"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, tt.url, nil)
			c := twilioCall(tt.calls, status, delivered()).with("X-Forwarded-Host", "evil.example").with("X-Forwarded-Proto", "http")
			if code, _, answer := g.do(t, c); code != http.StatusOK || len(g.kept) != 1 {
				t.Errorf("answered %d %q, kept %d", code, answer, len(g.kept))
			}
		})
	}
}

func TestRepeatedCallbacks(t *testing.T) {
	t.Parallel()
	later := delivered()
	later.Set("MessageStatus", "read")
	unknown := `{"event":"client_status","timestamp":1}`
	tests := []struct {
		name  string
		calls []call
		kept  int
	}{
		{"the same", []call{viberCall(message), viberCall(message), viberCall(message)}, 1},
		{"the same by other bytes", []call{viberCall(message), viberCall(strings.Replace(message, "1457764197627", "1457764197999", 1))}, 1},
		{"not understood, the same", []call{viberCall(unknown), viberCall(unknown)}, 1},
		{"not understood, others", []call{viberCall(unknown), viberCall(unknown + " ")}, 2},
		{"another status", []call{twilioCall(public, status, delivered()), twilioCall(public, status, later)}, 2},
		{"not understood, by another URL", []call{
			twilioCall(public, status, url.Values{"A": {"b"}}), twilioCall(public, status+"B", url.Values{"A": {"b"}}),
		}, 2},
		{"of two senders", []call{twilioCall(public, inbound, reply("9")), twilioCall(public, "/webhooks/twilio/sms2/inbound", reply("9"))}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			other, err := twilio.New(twilio.Config{AccountSID: "AC1", AuthToken: token, From: "+385998765433"})
			if err != nil {
				t.Fatal(err)
			}
			g := newRig(t, public, map[string]webhooks.Sender{"sms2": {Driver: "twilio", Via: other}})
			for i, c := range tt.calls {
				if code, _, answer := g.do(t, c); code != http.StatusOK {
					t.Errorf("call %d: answered %d %q", i, code, answer)
				}
			}
			if len(g.kept) != tt.kept || g.woken != tt.kept {
				t.Errorf("kept %d, woken %d; want %d of both", len(g.kept), g.woken, tt.kept)
			}
		})
	}
}

// A provider that calls what its driver cannot read has to be told so: its alert is how the operator learns of a STOP that is not heard.
func TestUnknownEndpoint(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/webhooks/twilio/sms", "/webhooks/twilio/sms/incoming"} {
		g := newRig(t, public, nil)
		code, kind, answer := g.do(t, twilioCall(public, path, reply("STOP")))
		if code != http.StatusNotFound || kind != web.ContentTypeProblem || len(g.kept) > 0 {
			t.Fatalf("%s: answered %d %s, kept %d; want a problem 404 and nothing kept", path, code, kind, len(g.kept))
		}
		for _, want := range []string{`"code":"not_found"`, `\"` + path + `\"`, public + inbound, public + "/webhooks/twilio/sms/status"} {
			if !strings.Contains(answer, want) {
				t.Errorf("%s: the answer lacks %s: %s", path, want, answer)
			}
		}
		if !strings.Contains(g.log.String(), "callback refused") {
			t.Errorf("%s: not logged: %s", path, g.log.String())
		}
	}
}

func TestRecorderDown(t *testing.T) {
	t.Parallel()
	g := newRig(t, public, nil)
	g.err = errors.New("disk is full")
	c := twilioCall(public, inbound, reply("9"))
	if code, _, _ := g.do(t, c); code < 500 || g.woken != 0 {
		t.Errorf("answered %d, woken %d; want 5xx: the provider must call again", code, g.woken)
	}
	g.err = nil
	if code, _, _ := g.do(t, c); code != http.StatusOK || len(g.kept) != 1 || g.woken != 1 {
		t.Errorf("called again: answered %d, kept %d, woken %d", code, len(g.kept), g.woken)
	}
}

// Law 12, and no credential in the store.
func TestLaw12NothingOfPeopleOrSecretsInLogs(t *testing.T) {
	t.Parallel()
	g := newRig(t, public, nil)
	signed := twilioCall(public, inbound, reply("Odlično! 9")).with("Authorization", "Basic c2VjcmV0").with("Cookie", "session=secret")
	calls := []call{
		signed, signed, signed.with("X-Twilio-Signature", "Zm9yZ2Vk"), signed.at("/webhooks/twilio/nobody/inbound"),
		signed.saying("Body=%zz&From=" + url.QueryEscape(phone)), viberCall(message), viberCall(message).saying(message + " "),
		viberCall("{" + person), signed.with("Content-Encoding", "br"),
	}
	var answers []string
	for _, c := range calls {
		_, _, said := g.do(t, c)
		answers = append(answers, said)
	}
	if !strings.Contains(g.log.String(), "callback refused") {
		t.Errorf("a forged callback is not logged: %s", g.log.String())
	}
	for _, secret := range []string{
		token, botToken, "Zm9yZ2Vk", signed.header.Get("X-Twilio-Signature"), "c2VjcmV0", "session=", phone, phone[1:], person, "Odli", "SM0123",
	} {
		if strings.Contains(g.log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, g.log.String())
		}
		if strings.Contains(strings.Join(answers, "\n"), secret) {
			t.Errorf("an answer has %q", secret)
		}
	}
	want := map[string][]string{
		"Content-Type": {form}, "User-Agent": {"TwilioProxy/1.1"}, "I-Twilio-Idempotency-Token": {"0b1f"},
	}
	if diff := cmp.Diff(want, map[string][]string(g.kept[0].Header)); diff != "" {
		t.Errorf("headers kept: %s", diff)
	}
	for _, in := range g.kept {
		if in.Header.Get("X-Viber-Content-Signature") != "" || in.Header.Get("Authorization") != "" {
			t.Errorf("kept %v", in.Header)
		}
	}
}

// A reader is a provider whose callbacks nobody can read.
type reader func(channels.Callback) ([]channels.Update, error)

func (reader) Authenticate(channels.Callback) error                   { return nil }
func (r reader) Read(cb channels.Callback) ([]channels.Update, error) { return r(cb) }
func (reader) Acknowledge(channels.Callback) (contentType string, b []byte) {
	return "text/plain", []byte("ok")
}

// A wire notes when the first byte of an answer leaves.
type wire struct {
	net.Conn
	said func(string)
}

func (w *wire) Write(b []byte) (int, error) {
	w.said("answered")
	return w.Conn.Write(b)
}

type wires struct {
	net.Listener
	said func(string)
}

func (l wires) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &wire{c, l.said}, err
}

// Law 9: raw bytes are kept before the provider hears anything, also those that no driver understands or survives.
func TestLaw09RawBeforeUnderstood(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		read reader
	}{
		{"understood", func(channels.Callback) ([]channels.Update, error) { return []channels.Update{{Key: "k"}}, nil }},
		{"without a key", func(channels.Callback) ([]channels.Update, error) { return []channels.Update{{Key: "k"}, {}}, nil }},
		{"with long keys", func(channels.Callback) ([]channels.Update, error) {
			return []channels.Update{{Key: strings.Repeat("k", 201)}}, nil
		}},
		{"says nothing", func(channels.Callback) ([]channels.Update, error) { return nil, nil }},
		{"not read", func(channels.Callback) ([]channels.Update, error) { return nil, errors.New("what is this?") }},
		{"panics", func(channels.Callback) ([]channels.Update, error) { panic("driver at fault") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := "raw \x00\xff bytes of " + tt.name
			g := newRig(t, public, map[string]webhooks.Sender{"odd": {Driver: "odd", Via: tt.read}})
			var mu sync.Mutex
			var order []string
			g.said = func(what string) {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, what)
			}
			ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- g.app.Listener(wires{ln, g.said}) }()
			defer func() {
				_ = g.app.Shutdown()
				_ = ln.Close()
				<-ended
			}()
			for range 2 { // the second is a repetition
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+ln.Addr().String()+"/webhooks/odd/odd", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Fatalf("answered %d", res.StatusCode)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff([]string{"kept", "answered", "answered"}, order); diff != "" {
				t.Errorf("order: %s", diff)
			}
			if len(g.kept) != 1 || string(g.kept[0].Body) != body || g.kept[0].Key == "" {
				t.Errorf("kept %+v", g.kept)
			}
		})
	}
}

// Whatever comes, nothing panics, only what the provider signed is kept, and that byte for byte.
func FuzzHandle(f *testing.F) {
	f.Add(true, false, "/inbound", form, twilio.Sign(token, public+inbound+twilio.SignedForm(reply("9"))), []byte(reply("9").Encode()))
	f.Add(true, false, "/status?attempt=att_1", form, "", []byte("MessageStatus=delivered"))
	f.Add(true, true, "/status?attempt=%zz", form, "", []byte("MessageStatus=delivered&MessageSid=SM1&ErrorCode=9999999999999999999"))
	f.Add(true, true, "", form, "", []byte(reply("STOP").Encode()))
	f.Add(true, true, "/status?bodySHA256=00", "application/json", "", []byte("{}"))
	f.Add(false, false, "", "application/json", viberbot.Sign(botToken, []byte(message)), []byte(message))
	f.Add(false, true, "", "application/json", "", []byte(`{"event":"failed","message_token":1e999,"user_id":null}`))
	f.Add(false, true, "/x", "text/html", "zz", []byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, sms, sign bool, tail, kind, signature string, body []byte) {
		path, name := viber, "X-Viber-Content-Signature"
		valid := func(url string) []string { return []string{viberbot.Sign(botToken, body)} }
		if sms {
			path, name = "/webhooks/twilio/sms", "X-Twilio-Signature"
			valid = func(url string) []string { return twilioSignatures(url, body) }
		}
		if _, err := url.ParseRequestURI(path + tail); err != nil || strings.ContainsAny(tail, " #\t\r\n") || len(tail) > 1000 || len(kind) > 1000 || len(signature) > 1000 {
			return // no HTTP client could send it
		}
		if strings.ContainsAny(kind+signature, "\r\n\x00") {
			return
		}
		if sign {
			signature = valid(public + path + tail)[0]
		}
		g := newRig(t, public, nil)
		req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		req.URL = &url.URL{Opaque: path + tail}
		req.RequestURI = path + tail
		req.Header.Set("Content-Type", kind)
		req.Header[name] = []string{signature}
		res, err := g.app.Test(req, -1)
		if err != nil {
			return // not HTTP: fasthttp refused it
		}
		_ = res.Body.Close()
		if res.StatusCode >= http.StatusInternalServerError {
			t.Fatalf("answered %d", res.StatusCode)
		}
		if len(g.kept) == 0 {
			if res.StatusCode == http.StatusOK {
				t.Fatal("200, and nothing is kept")
			}
			return
		}
		in := g.kept[0]
		want := strings.Trim(signature, " \t") // as HTTP gives it
		if !bytes.Equal(in.Body, body) || in.Key == "" {
			t.Fatalf("kept %q of %q under %q", in.Body, body, in.Key)
		}
		if !slices.ContainsFunc(valid(in.URL), func(s string) bool { return s == want || !sms && strings.EqualFold(s, want) }) {
			t.Fatalf("kept without a valid signature: %q", signature)
		}
	})
}

// twilioSignatures are those with which Twilio may sign: the hash of a body that is no form is in the URL, and signed with it.
func twilioSignatures(target string, body []byte) []string {
	values, _ := url.ParseQuery(string(body))
	with443 := strings.Replace(target, "example.hr/", "example.hr:443/", 1)
	return []string{
		twilio.Sign(token, target+twilio.SignedForm(values)), twilio.Sign(token, with443+twilio.SignedForm(values)),
		twilio.Sign(token, target), twilio.Sign(token, with443),
	}
}
