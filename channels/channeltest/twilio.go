package channeltest

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's signature is HMAC-SHA1
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// A TwilioConfig is the account that a Twilio server knows.
type TwilioConfig struct {
	Listen     string // host:port; "" = a free port of 127.0.0.1
	AccountSID string
	AuthToken  string
	From       string // only sender that is let through; "" = any
	Faults     Faults
	Callbacks  Callbacks
}

// A Twilio plays Twilio's Messages resource: it checks every form, takes messages, and calls back signed.
type Twilio struct {
	*Provider
	*web
	cfg   TwilioConfig
	sids  atomic.Uint64
	words words
}

// NewTwilio starts one. Close it.
func NewTwilio(cfg TwilioConfig) (*Twilio, error) {
	t := &Twilio{Provider: newProvider(cfg.Faults), cfg: cfg}
	var err error
	if t.web, err = listen(cfg.Listen, t); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return t, nil
}

// Close stops the server and waits for its callbacks.
func (t *Twilio) Close() error {
	t.end()
	t.close()
	return nil
}

var (
	e164  = regexp.MustCompile(`^\+[1-9]\d{6,14}$`)
	local = regexp.MustCompile(`^[^_]*$`)
)

// ServeHTTP is the Messages resource.
func (t *Twilio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodGet {
		t.list(w, r)
		return
	}
	f, set := t.draw()
	if f == drop {
		hangUp(w)
		return
	}
	form, ok := t.form(w, r)
	if !ok {
		return
	}
	switch f {
	case serverError:
		t.refuse(w, http.StatusInternalServerError, 20500, "Internal Server Error")
		return
	case throttled:
		retryAfter(w, set)
		t.refuse(w, http.StatusTooManyRequests, 20429, "Too Many Requests")
		return
	case refused:
		t.refuse(w, http.StatusBadRequest, 21211, "The 'To' number "+form.Get("To")+" is not a valid phone number.")
		return
	case taken, timeout, reset, drop, slow:
	}
	m := t.accept(form) //nolint:contextcheck // callbacks outlive the request
	if t.misbehave(w, r, f, set) {
		return
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"account_sid": t.cfg.AccountSID, "api_version": "2010-04-01", "body": m.Text, "date_sent": nil,
		"direction": "outbound-api", "error_code": nil, "error_message": nil, "from": m.From, "messaging_service_sid": nil,
		"num_media": "0", "num_segments": strconv.Itoa(segments(m.Text)), "price": nil, "price_unit": nil, "sid": m.ID,
		"status": "queued", "to": m.To, "uri": "/2010-04-01/Accounts/" + t.cfg.AccountSID + "/Messages/" + m.ID + ".json",
	})
}

// form checks all that Twilio would refuse, and what it would take but we never mean.
func (t *Twilio) form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	if !t.known(w, r) {
		return nil, false
	}
	if want := "/2010-04-01/Accounts/" + t.cfg.AccountSID + "/Messages.json"; r.Method != http.MethodPost || r.URL.RequestURI() != want {
		t.violate("%s %s; want POST %s", r.Method, r.URL.RequestURI(), want)
		t.refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return nil, false
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		t.violate("Content-Type %q", kind)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<16))
	if err != nil {
		t.violate("body: %v", err)
		return nil, false
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.violate("form: %v", err)
	}
	// What Messages takes; others it would ignore, and we would not know that they do nothing.
	known := []string{"To", "From", "MessagingServiceSid", "Body", "StatusCallback", "SmartEncoded", "ValidityPeriod", "MediaUrl"}
	for name, values := range form {
		if !slices.Contains(known, name) {
			t.violate("parameter %s is unknown", name)
		}
		if len(values) != 1 && name != "MediaUrl" {
			t.violate("parameter %s stands %d times", name, len(values))
		}
	}
	if code := t.formFault(form); code != 0 {
		t.refuse(w, http.StatusBadRequest, code, "Bad request")
		return nil, false
	}
	t.checkStatusURL(form.Get("StatusCallback"))
	return form, true
}

// known checks the credentials.
func (t *Twilio) known(w http.ResponseWriter, r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	if user == t.cfg.AccountSID && password == t.cfg.AuthToken {
		return true
	}
	t.violate("credentials are wrong")
	t.refuse(w, http.StatusUnauthorized, 20003, "Authenticate")
	return false
}

// formFault is the code with which Twilio refuses a form, 0 = none.
func (t *Twilio) formFault(form url.Values) int {
	text := form.Get("Body")
	switch {
	case !e164.MatchString(form.Get("To")):
		t.violate("To is not E.164")
		return 21211
	case form.Get("From") == "" && form.Get("MessagingServiceSid") == "", t.cfg.From != "" && form.Get("From") != t.cfg.From:
		t.violate("From %q", form.Get("From"))
		return 21606
	case text == "" || !utf8.ValidString(text):
		t.violate("Body is empty or no UTF-8")
		return 21602
	case utf8.RuneCountInString(text) > 1600:
		t.violate("Body has %d characters", utf8.RuneCountInString(text))
		return 21617
	default:
		return 0
	}
}

func (t *Twilio) checkStatusURL(s string) {
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || !local.MatchString(u.Hostname()) {
		t.violate("StatusCallback %q", s)
	} else if u.Query().Get("attempt") == "" {
		t.violate("StatusCallback %q names no attempt", s)
	}
}

func (t *Twilio) refuse(w http.ResponseWriter, status, code int, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"code": code, "message": message, "more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", code), "status": status,
	})
}

func (t *Twilio) sid() string { return fmt.Sprintf("SM%032x", t.sids.Add(1)) }

// accept takes a message and starts its callbacks.
func (t *Twilio) accept(form url.Values) Received {
	m := Received{
		ID: t.sid(), To: form.Get("To"), From: form.Get("From"), Text: form.Get("Body"), StatusURL: form.Get("StatusCallback"),
	}
	if u, err := url.Parse(m.StatusURL); err == nil {
		m.AttemptID = u.Query().Get("attempt")
	}
	m.At = time.Now()
	t.take(m)
	if t.cfg.Callbacks.Script != nil {
		t.play(m)
		return m
	}
	words := t.cfg.Callbacks.order("sent", "delivered")
	if m.StatusURL == "" || len(words) == 0 {
		return m
	}
	t.background(func(ctx context.Context) {
		for _, word := range words {
			_ = t.Status(ctx, m, word, "")
		}
	})
	return m
}

// Status calls back with a status word of m, signed; code is the ErrorCode, "" = none. The error says that it was not
// answered with 200.
func (t *Twilio) Status(ctx context.Context, m Received, word, code string) error {
	t.words.note(m.ID, word, code)
	form := url.Values{
		"AccountSid": {t.cfg.AccountSID}, "ApiVersion": {"2010-04-01"}, "MessageSid": {m.ID}, "SmsSid": {m.ID},
		"MessageStatus": {word}, "SmsStatus": {word}, "To": {m.To}, "From": {m.From},
	}
	if code != "" {
		form.Set("ErrorCode", code)
	}
	return t.call(ctx, m.StatusURL, form)
}

// Reply is a person writing text to our number: a signed webhook to the inbound URL.
func (t *Twilio) Reply(ctx context.Context, from, to, text, inboundURL string) error {
	return t.Inbound(ctx, inboundURL, from, to, text, "")
}

// Inbound is Reply with an OptOutType, as a messaging service with Advanced Opt-Out sends it.
func (t *Twilio) Inbound(ctx context.Context, inboundURL, from, to, text, optOutType string) error {
	sid := t.sid()
	form := url.Values{
		"AccountSid": {t.cfg.AccountSID}, "ApiVersion": {"2010-04-01"}, "MessageSid": {sid}, "SmsMessageSid": {sid},
		"SmsSid": {sid}, "SmsStatus": {"received"}, "NumMedia": {"0"}, "NumSegments": {strconv.Itoa(segments(text))}, "From": {from}, "To": {to},
		"Body": {text}, "FromCountry": {"HR"}, "FromCity": {""},
	}
	if optOutType != "" {
		form.Set("OptOutType", optOutType)
	}
	return t.call(ctx, inboundURL, form)
}

func (t *Twilio) call(ctx context.Context, target string, form url.Values) error {
	header := http.Header{
		"Content-Type":       {"application/x-www-form-urlencoded; charset=UTF-8"},
		"X-Twilio-Signature": {t.sign(target, form)},
		"User-Agent":         {"TwilioProxy/1.1"},
	}
	return t.post(ctx, t.cfg.Callbacks, target, header, form.Encode())
}

// sign is written here once more: a driver that signs wrongly must not check itself.
func (t *Twilio) sign(target string, form url.Values) string {
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString(target)
	for _, name := range names {
		b.WriteString(name + form.Get(name))
	}
	mac := hmac.New(sha1.New, []byte(t.cfg.AuthToken))
	_, _ = io.WriteString(mac, b.String())
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
