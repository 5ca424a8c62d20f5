package channeltest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// A ViberConfig is the bot that a Viber server knows.
type ViberConfig struct {
	Listen    string // host:port; "" = a free port of 127.0.0.1
	AuthToken string
	Webhook   string // where it calls back; "" = nowhere
	Faults    Faults
	Callbacks Callbacks
}

// A Viber plays the bot API: it checks every message and keyboard, takes messages, and calls back signed.
type Viber struct {
	*Provider
	*web
	cfg    ViberConfig
	tokens atomic.Uint64
}

// NewViber starts one. Close it.
func NewViber(cfg ViberConfig) (*Viber, error) {
	v := &Viber{Provider: newProvider(cfg.Faults), cfg: cfg}
	var err error
	if v.web, err = listen(cfg.Listen, v); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return v, nil
}

// Close stops the server and waits for its callbacks.
func (v *Viber) Close() error {
	v.end()
	v.close()
	return nil
}

// What send_message takes. Keys are case-sensitive at Viber: raw names are checked too.
type viberMessage struct {
	Receiver string `json:"receiver"`
	Type     string `json:"type"`
	Sender   struct {
		Name   string `json:"name"`
		Avatar string `json:"avatar"`
	} `json:"sender"`
	TrackingData  string `json:"tracking_data"`
	MinAPIVersion int    `json:"min_api_version"`
	Text          string `json:"text"`
	Keyboard      *struct {
		Type            string
		DefaultHeight   bool
		BgColor         string
		InputFieldState string
		Buttons         []struct {
			Columns, Rows                                                  int
			ActionType, ActionBody, Text, TextSize, TextHAlign, TextVAlign string
			BgColor, OpenURLType                                           string
			Silent                                                         bool
		}
	} `json:"keyboard"`
}

// ServeHTTP is send_message.
func (v *Viber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	f, set := v.draw()
	if f == drop {
		hangUp(w)
		return
	}
	m, status := v.check(w, r)
	if status != 0 {
		v.answer(w, status, 0)
		return
	}
	switch f {
	case serverError:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case throttled:
		retryAfter(w, set)
		if set.RetryAfter > 0 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		v.answer(w, 12, 0)
		return
	case refused:
		v.answer(w, 5, 0)
		return
	case taken, timeout, reset, drop, slow:
	}
	token := 5741311803571721087 + v.tokens.Add(1) // beyond 2^53, as the real ones
	got := Received{ID: fmt.Sprint(token), AttemptID: m.TrackingData, To: m.Receiver, From: m.Sender.Name, Text: m.Text}
	if m.Keyboard != nil {
		for _, b := range m.Keyboard.Buttons {
			got.Keys = append(got.Keys, b.ActionBody)
		}
	}
	v.take(got)
	v.callBack(got) //nolint:contextcheck // callbacks outlive the request
	if !v.misbehave(w, r, f, set) {
		v.answer(w, 0, token)
	}
}

func (v *Viber) answer(w http.ResponseWriter, status int, token uint64) {
	words := map[int]string{0: "ok", 2: "invalidAuthToken", 3: "badData", 4: "missingData", 5: "receiverNotRegistered", 12: "tooManyRequests"}
	out := map[string]any{"status": status, "status_message": words[status], "chat_hostname": "SN-CHAT-05_"}
	if status == 0 {
		out["message_token"], out["billing_status"] = token, 1
	}
	_ = json.NewEncoder(w).Encode(out) // 200 even then
}

// check looks at all that Viber would refuse, and what it would take but we never mean.
func (v *Viber) check(w http.ResponseWriter, r *http.Request) (m viberMessage, status int) {
	if r.Header.Get("X-Viber-Auth-Token") != v.cfg.AuthToken {
		v.violate("token is wrong")
		return m, 2
	}
	if r.Method != http.MethodPost || r.URL.RequestURI() != "/pa/send_message" {
		v.violate("%s %s; want POST /pa/send_message", r.Method, r.URL.RequestURI())
		return m, 3
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 30<<10))
	if err != nil {
		v.violate("body: %v", err)
		return m, 3
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		v.violate("JSON: %v", err)
		return m, 3
	}
	var raw struct {
		Keyboard map[string]json.RawMessage `json:"keyboard"`
	}
	if json.Unmarshal(body, &raw) == nil && raw.Keyboard != nil && (raw.Keyboard["Type"] == nil || raw.Keyboard["Buttons"] == nil) {
		v.violate("keyboard has no Type or no Buttons")
		return m, 3
	}
	if n := utf8.RuneCountInString(m.Text); m.Receiver == "" || m.Type != "text" || n == 0 || n > 7000 {
		v.violate("receiver, type or text is missing or wrong")
		return m, 4
	}
	if n := utf8.RuneCountInString(m.Sender.Name); n == 0 || n > 28 {
		v.violate("sender.name has %d characters", n)
		return m, 3
	}
	if m.TrackingData == "" || len(m.TrackingData) > 4000 {
		v.violate("tracking_data has %d bytes", len(m.TrackingData))
	}
	return m, v.checkKeyboard(m)
}

func (v *Viber) checkKeyboard(m viberMessage) int {
	if m.Keyboard == nil {
		return 0
	}
	column, rows := 0, 1
	for i, b := range m.Keyboard.Buttons {
		switch {
		case b.Columns < 1 || b.Columns > 6 || b.Rows < 1 || b.Rows > 2:
			v.violate("button %d is %d by %d", i, b.Columns, b.Rows)
		case b.ActionBody == "" || len(b.Text) > 250:
			v.violate("button %d has no ActionBody or a long Text", i)
		case b.ActionType != "reply" && b.ActionType != "open-url":
			v.violate("button %d does %q", i, b.ActionType)
		}
		if column += b.Columns; column > 6 {
			column, rows = b.Columns, rows+1
		}
	}
	if m.Keyboard.Type != "keyboard" || len(m.Keyboard.Buttons) == 0 || rows > 12 {
		v.violate("keyboard of type %q with %d buttons in %d rows", m.Keyboard.Type, len(m.Keyboard.Buttons), rows)
		return 3
	}
	return 0
}

func (v *Viber) callBack(m Received) {
	words := v.cfg.Callbacks.order("delivered")
	if v.cfg.Webhook == "" || len(words) == 0 {
		return
	}
	v.background(func(ctx context.Context) {
		for _, word := range words {
			_ = v.Status(ctx, m, word)
		}
	})
}

// Status calls back with «delivered», «seen» or «failed» of m, signed.
func (v *Viber) Status(ctx context.Context, m Received, word string) error {
	event := map[string]any{"event": word, "message_token": json.Number(m.ID), "user_id": m.To}
	if word == "failed" {
		event["desc"] = "failure description"
	}
	return v.call(ctx, event)
}

// Reply is a person writing text to the bot, or tapping the key that sends it: Viber does not tell which.
func (v *Viber) Reply(ctx context.Context, userID, text string) error {
	var tracking string
	if last, ok := v.Last(userID); ok {
		tracking = last.AttemptID
	}
	return v.call(ctx, map[string]any{
		"event": "message", "message_token": 4912661846655238145 + v.tokens.Add(1), "silent": false,
		"sender":  map[string]any{"id": userID, "name": "Ana", "country": "HR", "language": "hr", "api_version": 10},
		"message": map[string]any{"type": "text", "text": text, "tracking_data": tracking},
	})
}

// Subscription is a person who subscribes or, with false, leaves.
func (v *Viber) Subscription(ctx context.Context, userID string, subscribed bool) error {
	event := map[string]any{"event": "unsubscribed", "message_token": 4912661846655238145 + v.tokens.Add(1), "user_id": userID}
	if subscribed {
		event["event"] = "subscribed"
		delete(event, "user_id")
		event["user"] = map[string]any{"id": userID, "name": "Ana", "api_version": 10}
	}
	return v.call(ctx, event)
}

func (v *Viber) call(ctx context.Context, event map[string]any) error {
	event["timestamp"] = time.Now().UnixMilli()
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	if _, err := url.ParseRequestURI(v.cfg.Webhook); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(v.cfg.AuthToken))
	_, _ = mac.Write(body)
	header := http.Header{
		"Content-Type":              {"application/json"},
		"X-Viber-Content-Signature": {hex.EncodeToString(mac.Sum(nil))},
	}
	return v.post(ctx, v.cfg.Callbacks, v.cfg.Webhook, header, string(body))
}
