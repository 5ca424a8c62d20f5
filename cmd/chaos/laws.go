package main

import (
	"fmt"
	"strings"
	"time"
)

// afterStop: nobody gets anything after the gateway knows that they left (law 7).
func (e *evidence) afterStop() verdict {
	v := verdict{name: "nobody is written to after STOP"}
	var latest time.Duration
	for _, m := range e.taken {
		a, ok := e.t.attempts[m.AttemptID]
		if !ok || a.kind == "optout" {
			continue
		}
		channel := "sms"
		if e.mails[a.id] {
			channel = "email"
		}
		left, ok := e.t.left[channel+" "+m.To]
		if !ok || m.At.Before(left) {
			continue
		}
		late := m.At.Sub(left)
		latest = max(latest, late)
		if late > e.inFlight() { // left is when it was understood; the commit that others see comes a while after
			v.evidence = append(v.evidence, fmt.Sprintf("%s (%s) of %s was taken %s after the STOP, claimed %s after it: %s",
				a.id, a.kind, a.send, late.Round(time.Millisecond), a.at.Sub(left).Round(time.Millisecond), e.t.trail(a.send)))
		}
	}
	v.note = fmt.Sprintf("%d suppressed; on its way at that moment: up to %s", len(e.t.left), latest.Round(time.Millisecond))
	return v
}

// stopsKept: a STOP that was answered with 200 is on the list, and so is what was put on it before.
func (e *evidence) stopsKept() verdict {
	v := verdict{name: "every STOP that was taken is on the list", note: fmt.Sprint(len(e.stopped))}
	for phone, at := range e.stopped {
		if _, ok := e.t.left["sms "+phone]; !ok {
			v.evidence = append(v.evidence, fmt.Sprintf("the STOP of order %s, taken at %s", e.byPhone[phone].tx, at.Format("15:04:05.000")))
		}
	}
	return v
}

// afterCancel: what was cancelled is not sent any more.
func (e *evidence) afterCancel() verdict {
	v := verdict{name: "nothing is sent after its cancel is confirmed"}
	var latest time.Duration
	for _, m := range e.taken {
		a, ok := e.t.attempts[m.AttemptID]
		if !ok {
			continue
		}
		done, ok := e.cancelled[a.send]
		if !ok || m.At.Before(done) {
			continue
		}
		late := m.At.Sub(done)
		latest = max(latest, late)
		if a.at.After(done) || late > e.inFlight() {
			v.evidence = append(v.evidence, fmt.Sprintf("%s of %s was taken %s after it", a.id, a.send, late.Round(time.Millisecond)))
		}
	}
	for id := range e.cancelled {
		if s := e.t.sends[id]; s.status != "cancelled" {
			v.evidence = append(v.evidence, fmt.Sprintf("%s was confirmed as cancelled and is %s", id, s.status))
		}
	}
	v.note = fmt.Sprintf("%d cancelled; on its way at that moment: up to %s", len(e.cancelled), latest.Round(time.Millisecond))
	return v
}

// afterEnd: law 10.
func (e *evidence) afterEnd() verdict {
	v := verdict{name: "nobody is invited after expires_at"}
	var latest time.Duration
	for _, m := range e.taken {
		a, ok := e.t.attempts[m.AttemptID]
		if !ok || a.kind != "invitation" && a.kind != "reminder" {
			continue
		}
		end := e.t.sends[a.send].expires
		if !m.At.After(end) {
			continue
		}
		late := m.At.Sub(end)
		latest = max(latest, late)
		if !a.at.Before(end) || late > e.inFlight() {
			v.evidence = append(v.evidence, fmt.Sprintf("%s of %s was taken %s after it", a.id, a.send, late.Round(time.Millisecond)))
		}
	}
	v.note = fmt.Sprintf("on its way at that moment: up to %s", latest.Round(time.Millisecond))
	return v
}

// forwards: the provider's last word is the attempt's, as far as it was heard. Status never goes back.
func (e *evidence) forwards() verdict {
	v := verdict{name: "an attempt's status only rises"}
	rank := map[string]int{"attempt.claimed": 0, "attempt.uncertain": 1, "attempt.accepted": 2, "attempt.sent": 3, "attempt.failed": 4, "attempt.delivered": 5, "attempt.read": 6}
	for id, events := range e.t.events {
		last := map[string]int{}
		for _, ev := range events {
			n, ok := rank[ev.typ]
			if !ok {
				continue
			}
			attempt := member(ev.data, "attempt")
			if old, seen := last[attempt]; seen && n <= old {
				v.evidence = append(v.evidence, fmt.Sprintf("%s of %s has %s after a higher one", attempt, id, ev.typ))
			}
			last[attempt] = n
		}
	}
	return v
}

// member reads a string out of an event's data, which is small and ours.
func member(data, name string) string {
	_, rest, ok := strings.Cut(data, `"`+name+`":"`)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// explained: the ledger of each send says why it is in its state.
func (e *evidence) explained() verdict {
	v := verdict{name: "the ledger of every send explains its state"}
	for id, s := range e.t.sends {
		if why := e.unexplained(s); why != "" {
			v.evidence = append(v.evidence, fmt.Sprintf("%s is %s %s: %s in %s", id, s.status, s.reason, why, e.t.trail(id)))
		}
	}
	return v
}

// unexplained is what is missing in the ledger of a send, "" = nothing.
func (e *evidence) unexplained(s sendRow) string {
	events := e.t.events[s.id]
	if len(events) == 0 || events[0].typ != "send.accepted" {
		return "no send.accepted at the beginning"
	}
	for _, a := range e.t.of[s.id] {
		if !e.t.about(s.id, "attempt.claimed", a.id) || a.status != "claimed" && !e.t.about(s.id, "attempt."+a.status, a.id) {
			return a.id + " is " + a.status + " without an event"
		}
	}
	switch s.status {
	case "failed", "suppressed", "expired", "cancelled":
		outcomes := 0
		for _, ev := range events {
			if strings.HasPrefix(ev.typ, "send.") && ev.typ != "send.accepted" && ev.typ != "send.held" {
				outcomes++
			}
		}
		for _, ev := range events {
			if ev.typ == "send."+s.status && member(ev.data, "reason") == s.reason && outcomes == 1 {
				return ""
			}
		}
		return fmt.Sprintf("no send.%s with this reason alone (%d outcomes)", s.status, outcomes)
	case "sent":
		return missing(e.t.has(s.id, "attempt.accepted", "attempt.sent"), "no attempt that was accepted")
	case "delivered":
		return missing(e.t.has(s.id, "attempt.delivered", "attempt.read", "reply.received"), "no attempt that was delivered")
	case "answered", "completed":
		return missing(e.t.has(s.id, "answer.recorded"), "no answer")
	default:
		return ""
	}
}

func missing(ok bool, what string) string {
	if ok {
		return ""
	}
	return what
}

// contract: every request was as its provider wants it.
func (e *evidence) contract() verdict {
	v := verdict{name: "every request is as its provider wants it"}
	for _, p := range []interface{ Violations() ([]string, int) }{e.twilio, e.mail} {
		list, _ := p.Violations()
		v.evidence = append(v.evidence, list...)
	}
	return v
}

// alive: no process of the gateway ended that was not killed. One that does not start while what it stands on is away is started again.
func (w *world) alive() verdict {
	v := verdict{name: "no process ends by itself, and all stop when asked"}
	waited := 0
	for _, n := range w.nodes {
		n.mu.Lock()
		for _, d := range n.deaths {
			if !d.started.IsZero() && d.ended.Sub(d.started) < 5*time.Second && during(w.outages, d.ended) {
				waited++
				continue
			}
			v.evidence = append(v.evidence, d.words)
		}
		n.mu.Unlock()
	}
	v.note = fmt.Sprintf("%d did not start while PostgreSQL or Redis was away", waited)
	return v
}

// during reports whether a moment is in one of the spans, or within three seconds of its end.
func during(spans []span, at time.Time) bool {
	for _, s := range spans {
		if at.After(s.from) && at.Before(s.to.Add(3*time.Second)) {
			return true
		}
	}
	return false
}
