// Package viberbot writes to people who subscribed to a Viber bot and reads what Viber calls back.
//
// Source: https://developers.viber.com/docs/api/rest-bot-api/
package viberbot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

const (
	defaultBaseURL = "https://chatapi.viber.com"
	maxName        = 28 // characters of a sender's name
	gridColumns    = 6  // of every keyboard
)

// A Config is one bot.
type Config struct {
	BaseURL     string // "" = https://chatapi.viber.com
	AuthToken   string // it also signs callbacks
	Name        string // shown above a message, at most 28 characters
	Avatar      string // https URL of a picture; "" = none
	Connections int    // kept open; 0 = 64
}

// A Channel is one bot.
type Channel struct {
	cfg  Config
	send string // URL
	http *http.Client
}

var _ interface {
	channels.Channel
	channels.Receiver
} = (*Channel)(nil)

// New gives the bot of cfg, or an error that names every field at fault.
func New(cfg Config) (*Channel, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = defaultBaseURL
	}
	var faults []error
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		faults = append(faults, errors.New("base_url: not an http or https URL"))
	}
	if cfg.AuthToken == "" {
		faults = append(faults, errors.New("auth_token: missing"))
	}
	if n := utf8.RuneCountInString(cfg.Name); n == 0 || n > maxName {
		faults = append(faults, fmt.Errorf("name: %d characters; Viber shows 1 to %d", n, maxName))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Channel{
		cfg: cfg, send: base.JoinPath("pa", "send_message").String(), http: channels.NewHTTPClient(cfg.Connections),
	}, nil
}

// Close gives back idle connections.
func (c *Channel) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

type request struct {
	Receiver     string    `json:"receiver"`
	Type         string    `json:"type"`
	Sender       sender    `json:"sender"`
	TrackingData string    `json:"tracking_data,omitempty"` // returns in the person's next message
	Text         string    `json:"text"`
	Keyboard     *keyboard `json:"keyboard,omitempty"` // absent takes an earlier one away
}

type sender struct {
	Name   string `json:"name"`
	Avatar string `json:"avatar,omitempty"`
}

// The names of a keyboard's members are case-sensitive.
type keyboard struct {
	Type          string `json:"Type"`
	DefaultHeight bool   `json:"DefaultHeight"`
	Buttons       []key  `json:"Buttons"`
}

type key struct {
	Columns    int    `json:"Columns"`
	Rows       int    `json:"Rows"`
	ActionType string `json:"ActionType"`
	ActionBody string `json:"ActionBody"`
	Text       string `json:"Text"` // a little HTML is understood
	TextSize   string `json:"TextSize"`
}

type response struct {
	Status       *int        `json:"status"`
	MessageToken json.Number `json:"message_token"` // beyond 2^53
}

// Send makes one attempt. m.To is the id that Viber gave this bot for the person.
func (c *Channel) Send(ctx context.Context, m channels.Message) (channels.Receipt, error) {
	body, err := json.Marshal(request{
		Receiver: m.To, Type: "text", Sender: sender{c.cfg.Name, c.cfg.Avatar},
		TrackingData: m.AttemptID, Text: m.Text, Keyboard: layout(m.Buttons),
	})
	if err != nil {
		return channels.Receipt{}, &channels.Error{Fault: channels.Rejected, Err: fmt.Errorf("encode message: %w", err)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.send, bytes.NewReader(body))
	if err != nil {
		return channels.Receipt{}, &channels.Error{Fault: channels.Misconfigured, Err: errors.New("base_url cannot be called")}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Viber-Auth-Token", c.cfg.AuthToken)
	answer, err := channels.Exchange(c.http, req)
	if err != nil {
		return channels.Receipt{}, err
	}
	if answer.Status != http.StatusOK {
		return channels.Receipt{}, &channels.Error{
			Fault: answer.Fault(), RetryAfter: answer.RetryAfter(time.Now()), Throttled: answer.Throttled(), Err: fmt.Errorf("answer %d", answer.Status),
		}
	}
	var res response
	if err := json.Unmarshal(answer.Body, &res); err != nil || res.Status == nil {
		return channels.Receipt{}, &channels.Error{Err: errors.New("answer 200 that cannot be read")}
	}
	if *res.Status != 0 {
		return channels.Receipt{}, &channels.Error{
			Fault: fault(*res.Status), Code: strconv.Itoa(*res.Status), RetryAfter: answer.RetryAfter(time.Now()),
			Throttled: *res.Status == 12, Err: fmt.Errorf("status %d", *res.Status),
		}
	}
	return channels.Receipt{ProviderID: res.MessageToken.String()}, nil
}

// layout puts scores side by side, six to a row from the left in every script, and every other key on a row of its
// own, so that no thumb takes «unsubscribe» for a score.
func layout(buttons []survey.Button) *keyboard {
	if len(buttons) == 0 {
		return nil
	}
	k := &keyboard{Type: "keyboard"}
	for _, b := range buttons {
		entry := key{
			Columns: gridColumns, Rows: 1, ActionType: "reply", ActionBody: b.Payload,
			Text: html.EscapeString(b.Text), TextSize: "small",
		}
		switch {
		case b.URL != "":
			entry.ActionType, entry.ActionBody = "open-url", b.URL
		case b.Payload == "":
			entry.ActionBody = b.Text
		case isScore(b.Payload):
			entry.Columns, entry.TextSize = 1, "large"
		}
		k.Buttons = append(k.Buttons, entry)
	}
	return k
}

// isScore reports whether a payload is «odz:<send id>:<number>».
func isScore(payload string) bool {
	_, value, ok := readPayload(payload)
	_, err := strconv.Atoi(value)
	return ok && err == nil
}

// readPayload takes apart what our keys send: «odz:<send id>:<value>».
func readPayload(payload string) (sendID, value string, ok bool) {
	rest, ok := strings.CutPrefix(payload, "odz:")
	if !ok {
		return "", "", false
	}
	sendID, value, ok = strings.Cut(rest, ":")
	if !ok || value == "" {
		return "", "", false
	}
	if _, valid := survey.RawID(survey.SendPrefix, sendID); !valid {
		return "", "", false
	}
	return sendID, value, true
}

// fault classes a status of an answer.
//
// Source: https://developers.viber.com/docs/api/rest-bot-api/#error-codes
func fault(status int) channels.Fault {
	switch status {
	case 5, // receiver not registered
		6,  // not subscribed, or no longer: a «subscribed» callback would say otherwise
		11, // no suitable device
		13, // client too old
		21: // country
		return channels.Unreachable
	case 1, 2, 7, 8, 9, 10, 15, 18, 19, 20, 22, // the bot and its token
		23, 24: // nothing left to pay with
		return channels.Misconfigured
	case 3, 4, 14, 16, 17:
		return channels.Rejected
	default: // 12 is too many requests; the others are «general error»
		return channels.Transient
	}
}
