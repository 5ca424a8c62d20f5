package survey

import "time"

// A CancelFilter selects pending sends: those that still have something due. Zero members select all; a caller sets
// at least one beside Mode.
type CancelFilter struct {
	Mode            Mode
	Survey          string
	TransactionType string
	Touchpoint      string
	CreatedBefore   time.Time
	IDs             []string // nil: whatever its id
}

// Empty reports whether nothing but the mode is chosen.
func (f CancelFilter) Empty() bool {
	return f.Survey == "" && f.TransactionType == "" && f.Touchpoint == "" && f.CreatedBefore.IsZero() && len(f.IDs) == 0
}

// The states of a lane.
const (
	LaneOK     = "ok"
	LaneSlowed = "slowed" // its provider asked for fewer messages
	LaneOpen   = "open"   // its breaker is open: call after call failed
	LanePaused = "paused" // its provider refuses it: it rests until somebody looks
)

// A LaneState is how a sender is doing.
type LaneState struct {
	Name   string
	State  string // one of the states of a lane
	Reason string // in words, "" when ok
	Code   string // the provider's own, "" when it gave none
	Since  time.Time
	Until  time.Time // when it is tried again by itself; zero = now, or never
	Factor float64   // share of its rate that it uses at present; 1 = all

	Pending   int64     // sends that have something due on it, now or later
	More      bool      // there are more than Pending
	OldestDue time.Time // zero = nothing is due on it, now or later
}

// Alarm reports whether somebody has to look.
func (l LaneState) Alarm() bool { return l.State == LanePaused || l.State == LaneOpen }
