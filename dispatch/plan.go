package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

// A Planner turns the channels that a caller asks for into the steps of a plan.
type Planner struct {
	Senders []Sender // in the order of preference
	Spare   []Sender // sandbox senders, for test sends on channels for which Senders has none
}

// waits are how long a step may take to succeed before the next one starts.
func waits(c survey.Channel) (survey.AttemptStatus, time.Duration) {
	switch c {
	case survey.Viber:
		return survey.AttemptDelivered, time.Hour
	case survey.SMS:
		return survey.AttemptDelivered, 6 * time.Hour
	default:
		return survey.AttemptAccepted, 0
	}
}

// Plan sets Plan, Lane and Kind of a send. Requested is in order; none = every channel, in the order of survey.SendChannels.
// The error is a survey.InvalidError. A test send is planned over sandbox senders only (law 11): no other is looked at.
func (p Planner) Plan(s *survey.Send, requested []survey.Channel) error {
	asked := requested
	if len(asked) == 0 {
		asked = survey.SendChannels()
	}
	var faults survey.InvalidError
	unserved := 0
	s.Plan = nil
	for i, c := range asked {
		sender, ok := p.sender(s.Mode, c)
		if !ok {
			unserved++
			if len(requested) > 0 {
				faults = append(faults, survey.FieldError{
					Pointer: fmt.Sprintf("/channels/%d", i), Code: "no_sender",
					Detail: fmt.Sprintf("no sender of channel %q is configured; add one under senders, or name another channel", c),
				})
			}
			continue
		}
		if !reaches(sender, c, s.Recipient) {
			continue
		}
		success, wait := waits(c)
		s.Plan = append(s.Plan, survey.Step{Channel: c, Sender: sender.Name, Success: success, Wait: wait})
	}
	switch {
	case len(faults) > 0:
		return faults
	case unserved == len(asked):
		return survey.InvalidError{{Pointer: "", Code: "no_sender", Detail: "no sender is configured; add one under senders in odziv.yaml"}}
	case len(s.Plan) == 0:
		return survey.InvalidError{{
			Pointer: "/recipient", Code: "no_address",
			Detail: "the recipient has no address for " + list(asked) + "; give a phone for sms, a phone or viber_id for viber, an email for email",
		}}
	}
	s.Kind, s.Step, s.Lane = survey.Invitation, 0, s.Plan[0].Sender
	return nil
}

// sender is the first that serves a channel in a mode. For a test send no real one is even looked at (law 11).
func (p Planner) sender(m survey.Mode, c survey.Channel) (Sender, bool) {
	candidates := p.Senders
	if m == survey.Test {
		candidates = append(slices.Clone(p.Senders), p.Spare...)
	}
	for _, s := range candidates {
		if s.Channel == c && (s.Sandbox || m != survey.Test) {
			return s, true
		}
	}
	return Sender{}, false
}

// reaches reports whether a sender can write to the recipient: a Viber bot knows Viber ids only.
func reaches(s Sender, c survey.Channel, r survey.Recipient) bool {
	if s.Driver == "viber-bot" {
		return r.ViberID != ""
	}
	return r.Address(c) != ""
}

func list(cs []survey.Channel) string {
	words := make([]string, len(cs))
	for i, c := range cs {
		words[i] = string(c)
	}
	return strings.Join(words, ", ")
}
