package survey

import (
	"fmt"
	"net/http"
	"time"
)

// Records pass between the store and those who declare what they need of it.

// A Ref names a send as it was at one epoch: whoever holds an older epoch has lost it.
type Ref struct {
	ID    string `json:"id"`
	Epoch int64  `json:"epoch"`
}

// ErrIdempotencyTaken wraps ErrConflict: another call with the same key was faster.
var ErrIdempotencyTaken = fmt.Errorf("idempotency key is taken: %w", ErrConflict)

// An Idempotency is a caller's key for one call; its answer is kept with what the call made, in one commit.
type Idempotency struct {
	Actor   string // id of the API key
	Key     string
	Hash    [32]byte                                       // SHA-256 of the call
	Since   time.Time                                      // a record made before is forgotten and replaced; zero: none is
	Compose func([]AcceptedSend) (status int, body []byte) // the answer; pure, may be called more than once
}

// A Replay is the stored answer of an earlier call.
type Replay struct {
	Hash   [32]byte
	Status int
	Body   []byte
	At     time.Time
}

// An AcceptedSend tells what became of one send asked for.
type AcceptedSend struct {
	ID        string
	Duplicate bool // the same (survey, transaction, contact) was there before
	Send      Send // as stored
}

// A SendFilter selects sends; zero members select all.
type SendFilter struct {
	Mode        Mode
	Survey      string
	Status      Status
	Transaction string
	Contact     string
	Cursor      string
	Limit       int // 0 = 50
}

// A ResponseFilter selects responses; zero members select all.
type ResponseFilter struct {
	Mode    Mode
	Survey  string
	SendID  string
	Segment Segment
	Cursor  string
	Limit   int // 0 = 50
}

// An Inbound is a provider's callback as it came, kept before it is understood.
type Inbound struct {
	ID       string
	Sender   string
	Mode     Mode
	Endpoint string
	URL      string
	Key      string // the same for every repetition
	Header   http.Header
	Body     []byte
	At       time.Time
	Tries    int    // how often it was taken to be read
	Result   string // "" until it was read
}

// A Lift says that an address may be written to again, and who says so.
type Lift struct {
	Mode    Mode
	Channel Channel
	Address string
	Word    bool   // the person said so at At: only what such a word lifts (Suppression.LiftedBy), of any scope
	Scope   string // "" = all but ScopeUnreachable
	Subject string // of Scope
	Actor   string // API key or user
	Why     string // in their words, "" when they gave none
	At      time.Time
}
