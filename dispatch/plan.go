package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

// A Planner turns what a caller asks for into the steps of a plan.
type Planner struct {
	Senders   []Sender // in the order of preference
	Spare     []Sender // sandbox senders, for test sends on channels for which Senders has none
	Reminders survey.Reminders
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

// Plan sets Plan, Lane and Kind of a send. Without a wish every channel is tried, in the order of survey.SendChannels.
// The error is a survey.InvalidError. A test send is planned over sandbox senders only (law 11): no other is looked at.
func (p Planner) Plan(s *survey.Send, wish survey.Wish) error {
	asked, pointer := wish.Steps, "/plan/%d"
	if len(asked) == 0 {
		asked, pointer = steps(wish.Channels), "/channels/%d"
	}
	given := len(wish.Steps)+len(wish.Channels) > 0
	var faults survey.InvalidError
	unserved := 0
	s.Plan = nil
	for i, step := range asked {
		sender, ok := p.sender(s.Mode, step.Channel, step.Sender)
		switch {
		case ok && reaches(sender, step.Channel, s.Recipient):
			step.Sender = sender.Name
			s.Plan = append(s.Plan, step)
		case ok:
		default:
			unserved++
			if given {
				faults = append(faults, unknownSender(fmt.Sprintf(pointer, i), step))
			}
		}
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
	return p.remind(s, wish.Reminders)
}

// steps are those of a row of channels; nil = all.
func steps(channels []survey.Channel) []survey.Step {
	if len(channels) == 0 {
		channels = survey.SendChannels()
	}
	out := make([]survey.Step, len(channels))
	for i, c := range channels {
		success, wait := waits(c)
		out[i] = survey.Step{Channel: c, Success: success, Wait: wait}
	}
	return out
}

func unknownSender(pointer string, step survey.Step) survey.FieldError {
	if step.Sender != "" {
		return survey.FieldError{
			Pointer: pointer + "/sender", Code: "no_sender",
			Detail: fmt.Sprintf("no sender %q of channel %q may be used here; GET /v1/senders lists them, and a test key reaches the sandbox only", step.Sender, step.Channel),
		}
	}
	return survey.FieldError{
		Pointer: pointer, Code: "no_sender",
		Detail: fmt.Sprintf("no sender of channel %q is configured; add one under senders, or name another channel", step.Channel),
	}
}

// remind adds the steps of reminders. Where none of their channel can reach the person, they go where the invitation went.
func (p Planner) remind(s *survey.Send, wanted *survey.Reminders) error {
	r := p.Reminders
	if wanted != nil {
		r = *wanted
	}
	step := survey.Step{Kind: survey.Reminder, Success: survey.AttemptAnswered, After: r.After}
	if r.Channel != "" {
		sender, ok := p.sender(s.Mode, r.Channel, "")
		if !ok && wanted != nil && r.Count > 0 {
			return survey.InvalidError{unknownSender("/reminders/channel", survey.Step{Channel: r.Channel})}
		}
		if ok && reaches(sender, r.Channel, s.Recipient) {
			step.Channel, step.Sender = r.Channel, sender.Name
		}
	}
	for range r.Count {
		s.Plan = append(s.Plan, step)
	}
	return nil
}

// sender is the first that serves a channel in a mode, of that name unless it is "". For a test send no real one is even looked at (law 11).
func (p Planner) sender(m survey.Mode, c survey.Channel, name string) (Sender, bool) {
	candidates := p.Senders
	if m == survey.Test {
		candidates = append(slices.Clone(p.Senders), p.Spare...)
	}
	for _, s := range candidates {
		if s.Channel == c && (s.Sandbox || m != survey.Test) && (name == "" || s.Name == name) {
			return s, true
		}
	}
	return Sender{}, false
}

// reaches reports whether a sender can write to the recipient: a Viber bot knows Viber ids only.
func reaches(s Sender, c survey.Channel, r survey.Recipient) bool {
	if s.Driver == driverViberBot {
		return r.ViberID != ""
	}
	return r.Address(c) != ""
}

func list(steps []survey.Step) string {
	words := make([]string, len(steps))
	for i, s := range steps {
		words[i] = string(s.Channel)
	}
	return strings.Join(words, ", ")
}
