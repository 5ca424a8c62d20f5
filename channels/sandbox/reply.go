package sandbox

import (
	"fmt"
	"unicode/utf8"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// maxReply is the longest text that may be typed, in bytes.
const maxReply = 4000

// Typed is the button of a reply that was typed.
const Typed = -1

// Reply is what the recipient of m says: text that was typed, with button Typed, or a tap on the button of that index,
// with no text. The error is a survey.InvalidError. The update has no Key: every call is another reply.
func Reply(m Message, text string, button int) (channels.Update, error) {
	u := reply(m)
	switch {
	case button == Typed && text == "":
		return u, invalid("/text", "required", "type a text of 1 to 4000 bytes, or name a button")
	case button == Typed && !utf8.ValidString(text):
		return u, invalid("/text", "invalid", "text is not valid UTF-8")
	case button == Typed && len(text) > maxReply:
		return u, invalid("/text", "too_long", fmt.Sprintf("text has %d bytes; at most %d are taken", len(text), maxReply))
	case button == Typed:
		u.Text = text
		return u, nil
	case text != "":
		return u, invalid("/button", "conflict", "give text or button, not both")
	case button < 0 || button >= len(m.Buttons):
		return u, invalid("/button", "out_of_range", fmt.Sprintf("the message has %d buttons; the first is 0", len(m.Buttons)))
	case m.Buttons[button].URL != "":
		return u, invalid("/button", "opens_page", "this button opens a page and sends nothing back")
	}
	b := m.Buttons[button]
	u.Text, u.Button = b.Text, b.Payload
	if u.Button == "" {
		u.Button = b.Text
	}
	return u, nil
}

func reply(m Message) channels.Update {
	return channels.Update{
		Type: channels.ReplyUpdate, AttemptID: m.AttemptID, SendID: m.SendID, Channel: m.Channel, From: m.To,
	}
}

func invalid(pointer, code, detail string) error {
	return survey.InvalidError{{Pointer: pointer, Code: code, Detail: detail}}
}
