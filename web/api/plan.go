package api

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// Limits of a plan.
const (
	maxSteps     = 10
	minWait      = time.Minute
	maxWait      = 30 * 24 * time.Hour
	minAfter     = time.Hour
	defaultAfter = 3 * 24 * time.Hour
)

// MaxReminders is how often a send may ask again.
const MaxReminders = 3

// unplanned is the error of a send that could not be planned because a part does not answer, nil when its faults are the caller's. It may
// be sent again as it is.
func unplanned(errs survey.InvalidError) error {
	at := slices.IndexFunc(errs, func(e survey.FieldError) bool { return e.Code == web.CodeUnavailable })
	if at < 0 {
		return nil
	}
	return fmt.Errorf("plan send: %s: %w", errs[at].Detail, survey.ErrUnavailable)
}

// planSteps reads the steps of a cascade.
func planSteps(r *reader) []survey.Step {
	if !r.beginList() {
		return nil
	}
	steps := make([]survey.Step, 0, 3)
	for r.more() {
		steps = append(steps, planStep(r))
		if r.fault != nil {
			return nil
		}
	}
	switch {
	case len(steps) == 0:
		r.wrong(web.CodeInvalidPlan, "has no step; leave it out to let every channel be tried")
	case len(steps) > maxSteps:
		r.wrong(web.CodeInvalidPlan, fmt.Sprintf("has %d steps; at most %d", len(steps), maxSteps))
	}
	return steps
}

func planStep(r *reader) (s survey.Step) {
	if !r.begin() {
		return s
	}
	waits := false
	for r.more() {
		switch name := r.name(); name {
		case "channel":
			s.Channel = stepChannel(r)
		case "sender":
			s.Sender = r.text(maxWord)
		case "success_status":
			s.Success = success(r)
		case "wait":
			s.Wait, waits = r.duration(maxWait)
			if waits && s.Wait < minWait {
				r.wrong(web.CodeInvalidDuration, "is shorter than a minute")
			}
		default:
			r.unknown(name, "channel", "sender", "success_status", "wait")
		}
	}
	if r.fault != nil {
		return s
	}
	at := r.here()
	if s.Channel == "" && !blamed(r, at+"/channel") {
		r.wrongAt(at+"/channel", web.CodeMissingMember, "a step has a channel: viber, sms or email")
	}
	usual, wait := usualStep(s.Channel)
	if s.Success == "" {
		s.Success = usual
	}
	if !waits && s.Success != survey.AttemptAccepted {
		s.Wait = wait
	}
	return s
}

// usualStep is what a step of a channel succeeds with, and how long it waits for that.
func usualStep(c survey.Channel) (survey.AttemptStatus, time.Duration) {
	switch c {
	case survey.Viber:
		return survey.AttemptDelivered, time.Hour
	case survey.SMS:
		return survey.AttemptDelivered, 6 * time.Hour
	default:
		return survey.AttemptAccepted, 24 * time.Hour
	}
}

func stepChannel(r *reader) survey.Channel {
	word := r.text(maxWord)
	switch c := survey.Channel(word); c {
	case survey.Viber, survey.SMS, survey.Email:
		return c
	default:
		if r.fault == nil {
			r.wrong(web.CodeUnknownChannel, strconv.Quote(clip(word))+" is no channel; there are viber, sms, email")
		}
		return ""
	}
}

func success(r *reader) survey.AttemptStatus {
	word := r.text(maxWord)
	switch s := survey.AttemptStatus(word); s {
	case survey.AttemptAccepted, survey.AttemptDelivered, survey.AttemptRead, survey.AttemptAnswered:
		return s
	default:
		if r.fault == nil {
			r.wrong(web.CodeInvalidPlan, strconv.Quote(clip(word))+" is no success; there are accepted, delivered, read, answered")
		}
		return ""
	}
}

// reminders reads how often to ask again.
func reminders(r *reader) *survey.Reminders {
	if !r.begin() {
		return nil
	}
	out, counted := &survey.Reminders{After: defaultAfter}, false
	for r.more() {
		switch name := r.name(); name {
		case "count":
			raw := r.value()
			n, err := strconv.Atoi(raw)
			counted = true
			if r.fault == nil && (err != nil || n < 0 || n > MaxReminders) {
				r.wrong(web.CodeInvalidPlan, fmt.Sprintf("is %s; it has to be a number from 0 to %d", clip(raw), MaxReminders))
			}
			out.Count = n
		case "after":
			d, ok := r.duration(maxWait)
			if ok && d < minAfter {
				r.wrong(web.CodeInvalidDuration, "is shorter than an hour: nobody wants to be pressed")
			}
			if ok {
				out.After = d
			}
		case "channel":
			out.Channel = stepChannel(r)
		default:
			r.unknown(name, "count", "after", "channel")
		}
	}
	if !counted && r.fault == nil {
		r.wrongAt("/reminders/count", web.CodeMissingMember, "say how many; 0 means none")
	}
	return out
}
