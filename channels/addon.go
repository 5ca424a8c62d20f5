package channels

import (
	"context"
	"time"
)

// What a provider can do beyond sending is an add-on interface of its driver.

// A Lookup describes a message whose Send gave no answer.
type Lookup struct {
	AttemptID string
	To        string    // as it was given to Send
	Since     time.Time // when Send was called
}

// A Finder can be asked whether its provider has a message.
type Finder interface {
	// Find gives the messages of the provider to the address since then, oldest first, each with its Text: any of them may be the one
	// where the provider does not keep our id. None without an error: the provider surely does not have it. An error says that
	// nothing was learned.
	Find(ctx context.Context, l Lookup) ([]Update, error)
}

// A Deduper has a provider that takes a message with one AttemptID once, however often it is sent: an uncertain one may be sent again.
type Deduper interface {
	Dedupes() bool
}

// An Endpointer is a Receiver whose provider calls several addresses: a callback at any other is refused, and not kept. Without it a
// callback is taken at every address of its sender.
type Endpointer interface {
	// Endpoints are the values of Callback.Endpoint that Read knows.
	Endpoints() []string
}

// A Counter knows before Send how many units of a rate a message is, such as SMS segments. Without it a message is one.
type Counter interface {
	Units(m Message) int
}
