package viberbot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// Authenticate checks X-Viber-Content-Signature over the raw body.
//
// Source: https://developers.viber.com/docs/api/rest-bot-api/#callbacks
func (c *Channel) Authenticate(cb channels.Callback) error {
	given, err := hex.DecodeString(cb.Header.Get("X-Viber-Content-Signature"))
	if err != nil || !hmac.Equal(given, sum(c.cfg.AuthToken, cb.Body)) {
		return channels.ErrSignature
	}
	return nil
}

// Sign is the signature of a callback's raw body.
func Sign(authToken string, body []byte) string { return hex.EncodeToString(sum(authToken, body)) }

func sum(authToken string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(authToken))
	mac.Write(body)
	return mac.Sum(nil)
}

type event struct {
	Event        string      `json:"event"`
	Timestamp    json.Number `json:"timestamp"` // Unix milliseconds
	MessageToken json.Number `json:"message_token"`
	UserID       string      `json:"user_id"`
	User         struct {
		ID string `json:"id"`
	} `json:"user"`
	Sender struct {
		ID string `json:"id"`
	} `json:"sender"`
	Message struct {
		Type         string `json:"type"`
		Text         string `json:"text"`
		TrackingData string `json:"tracking_data"`
	} `json:"message"`
}

// Read decodes a callback. A message from a tapped key cannot be told from the same text typed: who acts on SendID must
// check that this person was asked.
func (c *Channel) Read(cb channels.Callback) ([]channels.Update, error) {
	var e event
	if err := json.Unmarshal(cb.Body, &e); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	u := channels.Update{
		Channel: survey.Viber, ProviderID: e.MessageToken.String(), From: firstOf(e.UserID, e.Sender.ID, e.User.ID),
		At: at(e.Timestamp),
	}
	u.Key = strings.Join([]string{e.Event, u.ProviderID, u.From}, ":")
	switch e.Event {
	case "delivered":
		u.Type, u.Status = channels.StatusUpdate, survey.AttemptDelivered
	case "seen":
		u.Type, u.Status = channels.StatusUpdate, survey.AttemptRead
	case "failed":
		u.Type, u.Status, u.Fault = channels.StatusUpdate, survey.AttemptFailed, channels.Rejected
	case "unsubscribed":
		u.Type, u.Confirmed = channels.OptOutUpdate, true // the bot cannot write to this person any more
	case "subscribed":
		u.Type = channels.OptInUpdate
	case "message":
		return said(u, e), nil
	default: // webhook, conversation_started, client_status and what comes later
		return nil, nil
	}
	if u.From == "" && u.Type != channels.StatusUpdate || u.Type == channels.StatusUpdate && u.ProviderID == "" {
		return nil, nil
	}
	return []channels.Update{u}, nil
}

// said reads a message of a person. Pictures and stickers without words say nothing that we understand.
func said(u channels.Update, e event) []channels.Update {
	if u.From == "" || e.Message.Text == "" {
		return nil
	}
	u.Type, u.Text = channels.ReplyUpdate, e.Message.Text
	if strings.HasPrefix(e.Message.TrackingData, survey.AttemptPrefix) {
		u.AttemptID = e.Message.TrackingData
	}
	if id, value, ok := readPayload(e.Message.Text); ok {
		u.Button, u.SendID, u.Text = e.Message.Text, id, value
	}
	return []channels.Update{u}
}

// Acknowledge is the answer that sends nothing back to the person.
func (c *Channel) Acknowledge(channels.Callback) (contentType string, body []byte) {
	return "application/json", []byte("{}")
}

// at is the time of an event, zero when it names none that can be: Viber has sent nanoseconds too.
func at(n json.Number) time.Time {
	ms, err := n.Int64()
	if err != nil || ms <= 0 || ms > 1e14 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
