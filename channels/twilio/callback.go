package twilio

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's signature is HMAC-SHA1
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// Authenticate checks X-Twilio-Signature over the URL and the sorted form, or over the URL and the hash of another body.
//
// Source: https://www.twilio.com/docs/usage/security
func (c *Channel) Authenticate(cb channels.Callback) error {
	given := []byte(cb.Header.Get("X-Twilio-Signature"))
	suffix, err := signedBody(cb)
	if err != nil {
		return err
	}
	for _, u := range signedURLs(cb.URL) {
		if subtle.ConstantTimeCompare(given, []byte(Sign(c.cfg.AuthToken, u+suffix))) == 1 {
			return nil
		}
	}
	return channels.ErrSignature
}

// Sign is the signature of s, which is the URL followed by the sorted form.
func Sign(authToken, s string) string {
	mac := hmac.New(sha1.New, []byte(authToken))
	mac.Write([]byte(s))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// SignedForm is how a form enters the signature: names and values, sorted; a repeated value counts once.
func SignedForm(form url.Values) string {
	var b strings.Builder
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			b.WriteString(name)
			b.WriteString(v)
		}
	}
	return b.String()
}

// signedBody is what the body adds to the signed text.
func signedBody(cb channels.Callback) (string, error) {
	if len(cb.Body) == 0 {
		return "", nil
	}
	if isForm(cb) {
		form, err := url.ParseQuery(string(cb.Body))
		if err != nil {
			return "", fmt.Errorf("%w: body is no form", channels.ErrSignature)
		}
		return SignedForm(form), nil
	}
	sum := sha256.Sum256(cb.Body)
	if subtle.ConstantTimeCompare([]byte(query(cb).Get("bodySHA256")), []byte(hex.EncodeToString(sum[:]))) != 1 {
		return "", fmt.Errorf("%w: hash of the body", channels.ErrSignature)
	}
	return "", nil
}

func isForm(cb channels.Callback) bool {
	kind, _, err := mime.ParseMediaType(cb.Header.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// signedURLs are the forms of a URL that Twilio may have signed: with and without the port that its scheme implies.
// They are cut from the text: parsing and printing could change an escape.
func signedURLs(raw string) []string {
	scheme, rest, ok := strings.Cut(raw, "://")
	port := map[string]string{"https": ":443", "http": ":80"}[strings.ToLower(scheme)]
	if !ok || port == "" {
		return []string{raw}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, tail := rest[:end], rest[end:]
	if bare, had := strings.CutSuffix(host, port); had {
		return []string{raw, scheme + "://" + bare + tail}
	}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return []string{raw, scheme + "://" + host[:i] + tail}
	}
	return []string{raw, scheme + "://" + host + port + tail}
}

// query is the query of the URL that was called; a broken one is empty.
func query(cb channels.Callback) url.Values {
	u, err := url.Parse(cb.URL)
	if err != nil {
		return nil
	}
	return u.Query()
}

// Endpoints are where Twilio reports: what people write, and what became of a message.
func (c *Channel) Endpoints() []string { return []string{"inbound", "status"} }

// Read decodes a callback of the endpoints «inbound» and «status».
//
// Source: https://www.twilio.com/docs/messaging/guides/webhook-request and
// https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
func (c *Channel) Read(cb channels.Callback) ([]channels.Update, error) {
	if len(cb.Body) > 0 && !isForm(cb) {
		return nil, nil // signed, but none of the two that we know
	}
	form, err := url.ParseQuery(string(cb.Body))
	if err != nil {
		return nil, fmt.Errorf("read form: %w", err)
	}
	switch cb.Endpoint {
	case "status":
		return readStatus(form, query(cb).Get("attempt")), nil
	case "inbound":
		return readInbound(form), nil
	default:
		return nil, nil
	}
}

// Acknowledge is an answer that sends nothing back to the person.
func (c *Channel) Acknowledge(channels.Callback) (contentType string, body []byte) {
	return "text/xml", []byte(`<?xml version="1.0" encoding="UTF-8"?><Response/>`)
}

// statusOf gives our word for Twilio's; ok is false for one that says nothing about an outgoing message.
func statusOf(word string) (survey.AttemptStatus, bool) {
	switch word {
	case "accepted", "scheduled", "queued", "sending":
		return survey.AttemptAccepted, true
	case "sent", "partially_delivered":
		return survey.AttemptSent, true
	case "delivered":
		return survey.AttemptDelivered, true
	case "read":
		return survey.AttemptRead, true
	case "failed", "undelivered", "canceled":
		return survey.AttemptFailed, true
	default:
		return "", false
	}
}

func readStatus(form url.Values, attempt string) []channels.Update {
	word := first(form, "MessageStatus", "SmsStatus")
	sid := first(form, "MessageSid", "SmsSid")
	status, ok := statusOf(word)
	if !ok || (sid == "" && attempt == "") {
		return nil
	}
	u := channels.Update{
		Type: channels.StatusUpdate, Channel: survey.SMS, Status: status, ProviderID: sid, AttemptID: attempt,
		Key:  strings.Join([]string{sid, word, form.Get("ErrorCode"), form.Get("RawDlrDoneDate")}, ":"),
		From: number(form.Get("To")),
	}
	if status == survey.AttemptFailed {
		u.Code, u.Fault = form.Get("ErrorCode"), channels.Rejected
		if u.Code == "" && word == "canceled" {
			u.Code = word
		}
		if code, err := strconv.Atoi(u.Code); err == nil {
			if f, known := faultOf(code); known {
				u.Fault = f
			}
		}
	}
	return []channels.Update{u}
}

// Words on which Twilio acts itself, and answers, before we hear them. YES, which also lets a person back in, is an
// answer first.
//
// Source: https://help.twilio.com/articles/223134027
const (
	stopWords  = " STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT " //nolint:gosec // words that people write
	startWords = " START UNSTOP "
)

func readInbound(form url.Values) []channels.Update {
	sid := first(form, "MessageSid", "SmsMessageSid", "SmsSid")
	from := number(form.Get("From"))
	if from == "" {
		return nil
	}
	u := channels.Update{
		Type: channels.ReplyUpdate, Channel: survey.SMS, ProviderID: sid, Key: sid,
		From: from, Text: form.Get("Body"),
	}
	word := " " + strings.ToUpper(strings.TrimSpace(u.Text)) + " "
	kind := strings.ToUpper(form.Get("OptOutType"))
	handled := len(word) > 2 && !strings.Contains(word[1:len(word)-1], " ") && longCode(form.Get("To"))
	switch {
	case kind == "STOP", handled && strings.Contains(stopWords, word):
		u.Type, u.Confirmed = channels.OptOutUpdate, true
	case kind == "START", handled && strings.Contains(startWords, word):
		u.Type, u.Confirmed = channels.OptInUpdate, true
	case kind == "HELP": // Twilio has answered it
		return nil
	}
	return []channels.Update{u}
}

// longCode reports whether a number of ours is a full phone number: there Twilio handles STOP by default.
func longCode(to string) bool {
	return strings.HasPrefix(to, "+") && len(to) >= 9
}

// number takes the channel off an address such as whatsapp:+385….
func number(address string) string {
	if _, n, ok := strings.Cut(address, ":"); ok {
		return n
	}
	return address
}

func first(form url.Values, names ...string) string {
	for _, name := range names {
		if v := form.Get(name); v != "" {
			return v
		}
	}
	return ""
}
