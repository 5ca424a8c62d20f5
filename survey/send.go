package survey

import (
	"encoding/json"
	"strings"
	"time"
)

// A Recipient is the person as the caller named them. Phone is E.164, Email an addr-spec in lower case domain;
// at least one of Email, Phone and ViberID is set.
type Recipient struct {
	ExternalID string `json:"external_id,omitempty"`
	Name       string `json:"name,omitempty"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	ViberID    string `json:"viber_id,omitempty"`
	Locale     string `json:"locale,omitempty"`
	Timezone   string `json:"timezone,omitempty"` // IANA
}

// Address is where a channel reaches the recipient, "" when it does not. A Viber bot reaches Viber ids only; the
// sandbox and business senders reach a phone.
func (r Recipient) Address(c Channel) string {
	switch c {
	case Email:
		return r.Email
	case SMS:
		return r.Phone
	case Viber:
		if r.ViberID != "" {
			return r.ViberID
		}
		return r.Phone
	case Web, Chat:
		return ""
	default:
		return ""
	}
}

// A Transaction is the business fact that triggers a send.
type Transaction struct {
	ID         string            `json:"id,omitempty"`
	Type       string            `json:"type,omitempty"`
	Touchpoint string            `json:"touchpoint,omitempty"`
	OccurredAt time.Time         `json:"occurred_at,omitzero"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Consent is why the person may be asked.
type Consent struct {
	Basis  string    `json:"basis"`
	Source string    `json:"source,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// A Step of a plan: one sender of one channel is tried; when Wait passes without Success, or
// the fault is final, the next step starts. Steps of reminders stand after all others.
type Step struct {
	Kind    Kind          `json:"kind,omitempty"` // Reminder; "" = Invitation
	Channel Channel       `json:"channel"`        // "" of a reminder: where the person was reached
	Sender  string        `json:"sender"`
	Success AttemptStatus `json:"success_status"`  // accepted, delivered, read or answered
	Wait    time.Duration `json:"wait"`            // nanoseconds in JSON; 0 = no waiting for Success
	After   time.Duration `json:"after,omitempty"` // of a reminder: since the message before it
}

// A Priority orders what is due in one lane; running conversations go before all of them.
type Priority int

// The priorities.
const (
	Single Priority = iota // asked for alone
	Batch                  // asked for with many others
)

// A Status is the state of a send.
type Status string

// The states of a send; the last five are final.
const (
	Accepted   Status = "accepted"
	Scheduled  Status = "scheduled" // waits for its due time, again or still
	Sending    Status = "sending"   // an attempt is claimed and its result not known
	Sent       Status = "sent"      // a provider took it
	Delivered  Status = "delivered" // it reached the person
	Answered   Status = "answered"  // a score is known
	Completed  Status = "completed" // the conversation is over
	Failed     Status = "failed"
	Suppressed Status = "suppressed"
	Expired    Status = "expired"
	Cancelled  Status = "cancelled"
)

// Statuses lists all states of a send.
func Statuses() []Status {
	return []Status{Accepted, Scheduled, Sending, Sent, Delivered, Answered, Completed, Failed, Suppressed, Expired, Cancelled}
}

// Final reports whether nothing more can become of a send.
func (s Status) Final() bool {
	switch s {
	case Completed, Failed, Suppressed, Expired, Cancelled:
		return true
	default:
		return false
	}
}

// A Reason is the stable code of why a send or attempt is in its state; docs/reasons.md is its table.
type Reason string

// The reasons.
const (
	ReasonNone             Reason = ""
	ReasonOptedOut         Reason = "opted_out"
	ReasonCooldown         Reason = "cooldown"
	ReasonWindow           Reason = "outside_window"
	ReasonNoAddress        Reason = "no_address"
	ReasonNoSender         Reason = "no_sender"
	ReasonExpired          Reason = "expired"
	ReasonProviderRejected Reason = "provider_rejected"
	ReasonUnreachable      Reason = "unreachable"
	ReasonMisconfigured    Reason = "misconfigured"
	ReasonAttempts         Reason = "attempts_exhausted"
	ReasonUncertain        Reason = "uncertain"
	ReasonCancelled        Reason = "cancelled"
	ReasonRender           Reason = "render_failed"
	ReasonTransient        Reason = "transient"
	ReasonThrottled        Reason = "throttled"
	ReasonDuplicate        Reason = "duplicate"
	ReasonNoConsent        Reason = "no_consent"
	ReasonLimit            Reason = "limit"
	ReasonSessionLimit     Reason = "session_limit"
	ReasonSessionClosed    Reason = "session_closed"
)

// A Send is one decision to invite one contact to one survey for one transaction.
type Send struct {
	ID            string
	Mode          Mode
	Brand         string
	Survey        string
	SurveyVersion int // the release under which it was accepted
	Locale        string
	ContactID     string
	Recipient     Recipient
	Transaction   Transaction
	Consent       *Consent
	Metadata      json.RawMessage // an object as given, nil when none
	Priority      Priority
	Actor         string // id of the API key that asked for it
	Plan          []Step
	CreatedAt     time.Time
	ExpiresAt     time.Time

	// What changes in the life of a send.
	Status    Status
	Reason    Reason
	UpdatedAt time.Time
	Kind      Kind      // the message that is due next or was sent last
	Step      int       // index into Plan
	Lane      string    // sender that has the next message; "" when nothing is due
	DueAt     time.Time // when it is due; a taken one is due again when its lease ends
	Epoch     int64     // grows each time it is taken: who holds an older one has lost it
	Rev       int64     // grows with each change that is stored; the store's alone
	Tries     int       // transient faults of the present message on the present step
	Thread    Thread
}

// A Thread is the conversation of a send. The zero value has not begun.
type Thread struct {
	Channel   Channel `json:"channel,omitempty"`
	Sender    string  `json:"sender,omitempty"`
	Address   string  `json:"address,omitempty"`
	Asking    string  `json:"asking,omitempty"`    // QuestionScore, QuestionComment or "": nothing is asked
	Clarified bool    `json:"clarified,omitempty"` // the one clarifying question was spent
	Said      int     `json:"said,omitempty"`      // messages of ours in answer to replies: the budget of law 8
	Heard     string  `json:"heard,omitempty"`     // raw records of the last replies, with a space between: none is taken in twice
	Survey    string  `json:"survey,omitempty"`    // asked instead of the send's own, when the policy swapped it; "" = the send's own
	Version   int     `json:"version,omitempty"`   // release of Survey
	Looked    int     `json:"looked,omitempty"`    // look-ups of the attempt that is uncertain
	Replayed  int64   `json:"replayed,omitempty"`  // epoch of the last replay: attempts of earlier ones were made before it; 0 = never
}

// heardAt is when the person's last word came in, which the id of its raw record tells; zero when that is not known.
func (t *Thread) heardAt() time.Time {
	return MadeAt(InboundPrefix, t.Heard[strings.LastIndexByte(t.Heard, ' ')+1:])
}

// Asks is the survey that is really asked, and its release.
func (s *Send) Asks() (survey string, version int) {
	if s.Thread.Survey != "" {
		return s.Thread.Survey, s.Thread.Version
	}
	return s.Survey, s.SurveyVersion
}

// The questions of a thin survey.
const (
	QuestionScore   = "score"
	QuestionComment = "comment"
)

// An AttemptStatus is the state of an attempt.
type AttemptStatus string

// The states of an attempt.
const (
	AttemptClaimed   AttemptStatus = "claimed"
	AttemptUncertain AttemptStatus = "uncertain"
	AttemptAccepted  AttemptStatus = "accepted"
	AttemptSent      AttemptStatus = "sent"
	AttemptFailed    AttemptStatus = "failed"
	AttemptDelivered AttemptStatus = "delivered"
	AttemptRead      AttemptStatus = "read"
	// AttemptAnswered is a success of steps only: no attempt is ever in it.
	AttemptAnswered AttemptStatus = "answered"
)

// Rank orders the states of an attempt: a report of a lower or equal rank changes nothing. A handset that says
// «delivered» outranks a carrier that said «failed».
func (s AttemptStatus) Rank() int {
	switch s {
	case AttemptClaimed:
		return 0
	case AttemptUncertain:
		return 1
	case AttemptAccepted:
		return 2
	case AttemptSent:
		return 3
	case AttemptFailed:
		return 4
	case AttemptDelivered:
		return 5
	case AttemptRead:
		return 6
	default:
		return -1
	}
}

// An Attempt is one try to hand one message to one provider.
type Attempt struct {
	ID         string
	SendID     string
	Kind       Kind
	Step       int
	Channel    Channel
	Sender     string
	Address    string
	Status     AttemptStatus
	ProviderID string // "" until the provider gave one
	Fault      string // of channels.Fault, "" when none
	Code       string // the provider's own, "" when it gave none
	Segments   int    // SMS segments or messages
	Epoch      int64  // of the send when it was claimed
	At         time.Time
	UpdatedAt  time.Time
}

// A Response is all answers of a send.
type Response struct {
	ID            string
	SendID        string
	Mode          Mode
	Survey        string
	SurveyVersion int
	Locale        string
	Complete      bool
	Metric        MetricType
	Score         int
	Segment       Segment
	Answers       []Answer // in the order in which they were given
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// The kinds of evidence of an answer.
const (
	EvidenceReply = "reply"
	EvidenceTap   = "tap"
	EvidencePage  = "page"
)

// An Answer is a reply understood. A later answer to the same question replaces the earlier; the ledger keeps both.
type Answer struct {
	Question string    `json:"question"`
	Value    *int      `json:"value,omitempty"` // the score; nil for words
	Text     string    `json:"text"`            // verbatim
	Channel  Channel   `json:"channel"`
	Evidence string    `json:"evidence"`
	At       time.Time `json:"at"`
}

// An Event is one row of the ledger.
type Event struct {
	ID     string         `json:"id"`
	SendID string         `json:"send_id"`
	Type   string         `json:"type"` // such as send.accepted, attempt.claimed, answer.recorded
	At     time.Time      `json:"at"`
	Data   map[string]any `json:"data,omitempty"` // ids, codes and values; never an address or text of a person
}

// A Suppression is an address that is not written to.
type Suppression struct {
	Mode    Mode      `json:"mode"`
	Channel Channel   `json:"channel"`
	Address string    `json:"address"`
	Scope   string    `json:"scope"`             // one of the scopes
	Subject string    `json:"subject,omitempty"` // id of the brand or survey of ScopeBrand and ScopeSurvey
	Reason  string    `json:"reason"`            // stop_keyword, unsubscribe_link, one_click, provider, hard_bounce, manual
	Source  string    `json:"source"`            // sender or page where it came from
	SendID  string    `json:"send_id,omitempty"`
	At      time.Time `json:"at"`
}

// A State is everything that a change of a send looks at and may change. The store loads it under a lock, calls
// one function of this package, and writes what changed in one commit.
type State struct {
	Send         Send
	Attempts     []Attempt     // oldest first
	Response     *Response     // nil before the first answer
	Suppressions []Suppression // of any address of the recipient, same mode; added ones are written
	Lift         []Suppression // suppressions to remove
	Events       []Event       // new rows of the ledger
}
