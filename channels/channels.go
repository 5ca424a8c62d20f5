// Package channels is what all providers have in common: one message goes out, callbacks come back. A driver
// makes one attempt and tells what became of it; pace, retries and consent are the queue's.
package channels

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/odziv/odziv/survey"
)

// A Channel hands messages to one provider. Safe for concurrent use.
type Channel interface {
	// Send makes one attempt. The error is an *Error; any other error counts as Unconfirmed.
	Send(ctx context.Context, m Message) (Receipt, error)
}

// A Receiver is a Channel whose provider calls back.
type Receiver interface {
	// Authenticate answers ErrSignature (possibly wrapped) unless the provider signed cb.
	Authenticate(cb Callback) error
	// Read decodes an authenticated callback. What it does not know gives no updates and no error.
	Read(cb Callback) ([]Update, error)
	// Acknowledge is the body that the provider wants back with 200.
	Acknowledge(cb Callback) (contentType string, body []byte)
}

// ErrSignature says that the provider did not sign the callback.
var ErrSignature = errors.New("signature does not match")

// A Message is one message to one person.
type Message struct {
	AttemptID      string // ours; returns in callbacks and is the Message-ID of mail
	SendID         string
	Kind           survey.Kind
	Mode           survey.Mode
	Channel        survey.Channel
	To             string // E.164, addr-spec or Viber user id
	ToName         string
	Subject        string // email only
	Text           string
	HTML           string // email only; "" = text only
	Buttons        []survey.Button
	Links          []string // addresses of ours that are in Text
	Locale         string   // BCP 47
	RTL            bool
	UnsubscribeURL string // RFC 8058 one-click; "" = none
	StatusURL      string // where the provider reports, with our attempt id in its query; "" = nowhere
}

// A Receipt is a provider's word that it took a message.
type Receipt struct {
	ProviderID string
	Segments   int // what the provider counts; 0 = one
}

// A Fault is the class of a failed Send: what may be done about it.
type Fault int

// The faults.
const (
	Unconfirmed   Fault = iota // the provider may have taken it: never resent blindly
	Transient                  // surely not taken; later it may be
	Unreachable                // this address never will
	OptedOut                   // the person said no to the provider
	Rejected                   // this message never will
	Misconfigured              // no message of this sender will until a person looks
)

// String is the name as the API gives it.
func (f Fault) String() string {
	switch f {
	case Unconfirmed:
		return "unconfirmed"
	case Transient:
		return "transient"
	case Unreachable:
		return "unreachable"
	case OptedOut:
		return "opted_out"
	case Rejected:
		return "rejected"
	case Misconfigured:
		return "misconfigured"
	default:
		return fmt.Sprintf("fault(%d)", int(f))
	}
}

// An Error is a failed Send. Its zero Fault is Unconfirmed: the provider may have taken the message.
type Error struct {
	Fault      Fault
	Code       string        // the provider's own, "" when it gave none
	RetryAfter time.Duration // 0 when the provider named none
	Throttled  bool          // of a Transient fault: the sender shall send fewer messages, whoever they are for
	Err        error         // never holds a credential or the recipient's address
}

func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("%s: %v", e.Fault, e.Err)
	}
	return fmt.Sprintf("%s (%s): %v", e.Fault, e.Code, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// A Callback is a provider's request to us, raw.
type Callback struct {
	URL      string // as the provider called it: public URL, path and query, verbatim
	Endpoint string // last path element after the sender: "inbound", "status" or ""
	Header   http.Header
	Body     []byte
}

// What an Update tells.
const (
	StatusUpdate = "status" // of a message of ours
	ReplyUpdate  = "reply"  // a person said something
	OptOutUpdate = "optout" // a person left, by the provider's word
	OptInUpdate  = "optin"  // a person came back
)

// An Update is one thing that a callback says.
type Update struct {
	Type       string
	Key        string // the same for every repetition of this update by the provider, and for no other; "" = none known
	ProviderID string // of our message for a status, of theirs for a reply
	AttemptID  string // when the callback carried it
	SendID     string // as a payload or the sandbox says; who acts on it checks From against the send
	Channel    survey.Channel
	Status     survey.AttemptStatus // of a StatusUpdate
	Fault      Fault                // of a StatusUpdate with Status failed
	Code       string
	From       string // the person's address
	Text       string
	Button     string    // payload of a tapped button; "" when typed
	Confirmed  bool      // of an OptOutUpdate: the provider confirmed it to the person
	At         time.Time // zero when the provider named none
}
