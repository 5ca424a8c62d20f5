package sandbox

import (
	"time"

	"github.com/odziv/odziv/survey"
)

// A Message is what a sandbox phone or inbox shows. The names of its members are part of the HTTP contract.
type Message struct {
	ID        string          `json:"id"`
	SendID    string          `json:"send_id"`
	AttemptID string          `json:"attempt_id"`
	Kind      survey.Kind     `json:"kind"`
	Channel   survey.Channel  `json:"channel"`
	Sender    string          `json:"sender"` // name of the sandbox sender
	To        string          `json:"to"`
	Subject   string          `json:"subject"`
	Text      string          `json:"text"`
	HTML      string          `json:"html"`
	Buttons   []survey.Button `json:"buttons"`
	Links     []string        `json:"links"`
	Locale    string          `json:"locale"`
	RTL       bool            `json:"rtl"`
	// UnsubscribeURL is the one-click address that a mail carries in its headers.
	UnsubscribeURL string    `json:"unsubscribe_url,omitempty"`
	At             time.Time `json:"at"`
	Inbound        bool      `json:"inbound,omitempty"` // the person said it, on the phone To
}
