package viberbot_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/channeltest"
	"github.com/odziv/odziv/channels/viberbot"
	"github.com/odziv/odziv/survey"
)

const (
	token  = "4453b6ac12345678-e02c5f12174805f9-daec9cbb5448c51f"
	person = "01234567890A="
	sendID = "snd_01K0000000000000000000000A"
)

func TestContract(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, "testdata/*.txtar", func(baseURL string) (channels.Channel, []string, error) {
		c, err := viberbot.New(viberbot.Config{BaseURL: baseURL, AuthToken: token, Name: "Trgovina"})
		return c, []string{token}, err
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  viberbot.Config
		want []string
	}{
		{"default", viberbot.Config{AuthToken: token, Name: "Trgovina"}, nil},
		{"28 letters", viberbot.Config{AuthToken: token, Name: strings.Repeat("ž", 28)}, nil},
		{"29 letters", viberbot.Config{AuthToken: token, Name: strings.Repeat("ž", 29)}, []string{"name"}},
		{"nothing", viberbot.Config{BaseURL: "chatapi.viber.com"}, []string{"base_url", "auth_token", "name"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := viberbot.New(tt.cfg)
			if (err == nil) != (len(tt.want) == 0) || (err == nil) != (c != nil) {
				t.Fatalf("New = %v, %v", c, err)
			}
			for _, field := range tt.want {
				if !strings.Contains(err.Error(), field+":") {
					t.Errorf("New: %q does not name %s", err, field)
				}
			}
		})
	}
}

func bot(tb testing.TB) *viberbot.Channel {
	tb.Helper()
	c, err := viberbot.New(viberbot.Config{AuthToken: token, Name: "Trgovina"})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func callback(body, signature string) channels.Callback {
	h := http.Header{}
	h.Set("X-Viber-Content-Signature", signature)
	return channels.Callback{URL: "https://gw.example.com/webhooks/viber-bot/bot", Header: h, Body: []byte(body)}
}

// The vector was made with the vendor's own library (npm viber-bot 1.0.18).
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	const (
		body   = `{"event":"delivered","timestamp":1457764197627,"message_token":491266184665523145,"user_id":"01234567890A="}`
		signed = "3bcd95e3a9552c89fa2ddd7cf111f895abc559b640fba4fb4d561ca7a9b6f1b2"
	)
	tests := []struct {
		name string
		cb   channels.Callback
		ok   bool
	}{
		{"vector", callback(body, signed), true},
		{"upper case", callback(body, strings.ToUpper(signed)), true},
		{"other body", callback(body+" ", signed), false},
		{"half", callback(body, signed[:32]), false},
		{"no hex", callback(body, "zz"), false},
		{"none", callback(body, ""), false},
		{"other token", callback(body, viberbot.Sign("other", []byte(body))), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := bot(t).Authenticate(tt.cb); (err == nil) != tt.ok || !tt.ok && !errors.Is(err, channels.ErrSignature) {
				t.Errorf("Authenticate = %v; want ok %t", err, tt.ok)
			}
		})
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1457764197627).UTC()
	const message = "4912661846655238145" // beyond 2^53
	update := func(event string, u channels.Update) []channels.Update {
		u.Channel, u.ProviderID, u.From, u.At, u.Key = survey.Viber, message, person, at, event+":"+message+":"+person
		return []channels.Update{u}
	}
	const head = `,"timestamp":1457764197627,"message_token":4912661846655238145`
	tests := []struct {
		name, body string
		want       []channels.Update
	}{
		{"webhook", `{"event":"webhook","timestamp":4987034606158369000,"message_token":1481059480858}`, nil},
		{"conversation started", `{"event":"conversation_started"` + head + `,"type":"open","context":"tok_8fK2","user":{"id":"01234567890A="},"subscribed":false}`, nil},
		{"what comes later", `{"event":"client_status"` + head + `,"user":{"id":"01234567890A="},"status":{"code":0}}`, nil},
		{
			"delivered", `{"event":"delivered"` + head + `,"user_id":"01234567890A="}`,
			update("delivered", channels.Update{Type: channels.StatusUpdate, Status: survey.AttemptDelivered}),
		},
		{
			"seen", `{"event":"seen"` + head + `,"user_id":"01234567890A=","chat_hostname":"SN"}`,
			update("seen", channels.Update{Type: channels.StatusUpdate, Status: survey.AttemptRead}),
		},
		{
			"failed", `{"event":"failed"` + head + `,"user_id":"01234567890A=","desc":"failure description"}`,
			update("failed", channels.Update{Type: channels.StatusUpdate, Status: survey.AttemptFailed, Fault: channels.Rejected}),
		},
		{
			"unsubscribed", `{"event":"unsubscribed"` + head + `,"user_id":"01234567890A="}`,
			update("unsubscribed", channels.Update{Type: channels.OptOutUpdate, Confirmed: true}),
		},
		{
			"subscribed", `{"event":"subscribed"` + head + `,"user":{"id":"01234567890A=","name":"John","api_version":1}}`,
			update("subscribed", channels.Update{Type: channels.OptInUpdate}),
		},
		{
			"typed", `{"event":"message"` + head + `,"sender":{"id":"01234567890A=","name":"John"},"message":{"type":"text","text":"devet, brzi ste","tracking_data":"att_01K0000000000000000000000A"},"silent":false}`,
			update("message", channels.Update{Type: channels.ReplyUpdate, Text: "devet, brzi ste", AttemptID: "att_01K0000000000000000000000A"}),
		},
		{
			"tapped", `{"event":"message"` + head + `,"sender":{"id":"01234567890A="},"message":{"type":"text","text":"odz:` + sendID + `:9","tracking_data":"other"}}`,
			update("message", channels.Update{Type: channels.ReplyUpdate, Text: "9", Button: "odz:" + sendID + ":9", SendID: sendID}),
		},
		{
			"nearly a payload", `{"event":"message"` + head + `,"sender":{"id":"01234567890A="},"message":{"type":"text","text":"odz:snd_1:9"}}`,
			update("message", channels.Update{Type: channels.ReplyUpdate, Text: "odz:snd_1:9"}),
		},
		{"picture", `{"event":"message"` + head + `,"sender":{"id":"01234567890A="},"message":{"type":"picture","media":"https://x"}}`, nil},
		{"nobody", `{"event":"message"` + head + `,"message":{"type":"text","text":"9"}}`, nil},
		{"nothing delivered", `{"event":"delivered","user_id":"01234567890A="}`, nil},
		{"empty object", `{}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := bot(t).Read(callback(tt.body, ""))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Read differs (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := bot(t).Read(callback(`{"event":`, "")); err == nil {
		t.Error("Read of half an object: no error")
	}
	if kind, body := bot(t).Acknowledge(channels.Callback{}); kind != "application/json" || string(body) != "{}" {
		t.Errorf("Acknowledge = %s %s", kind, body)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"event":"message","timestamp":1457764197627,"message_token":4912661846655238145,"sender":{"id":"01234567890A="},"message":{"type":"text","text":"odz:`+sendID+`:9"}}`, "00")
	f.Add(`{"event":"seen","timestamp":"x","message_token":1e400,"user_id":1}`, "")
	f.Add(`[]`, "zz")
	c := bot(f)
	f.Fuzz(func(t *testing.T, body, signature string) {
		cb := callback(body, signature)
		if err := c.Authenticate(cb); !errors.Is(err, channels.ErrSignature) {
			t.Errorf("Authenticate = %v", err)
		}
		updates, err := c.Read(cb)
		if err != nil && len(updates) > 0 {
			t.Errorf("Read gave updates and an error: %v", err)
		}
		for _, u := range updates {
			if u.Type == channels.StatusUpdate && u.ProviderID == "" || u.Type != channels.StatusUpdate && u.From == "" {
				t.Errorf("update of nothing: %+v", u)
			}
			if _, ok := survey.RawID(survey.SendPrefix, u.SendID); u.SendID != "" && !ok {
				t.Errorf("send id %q", u.SendID)
			}
		}
	})
}
