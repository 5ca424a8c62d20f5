package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/odziv/odziv/channels/channeltest"
)

// inFlight is how long a message may be on its way to its provider when something forbids it: its turn is waited for for half a lease,
// and the call takes its time.
func (w *world) inFlight() time.Duration { return w.lease/2 + time.Second }

// An evidence is everything that is judged.
type evidence struct {
	*world
	t     *truth
	taken []channeltest.Received // of all providers
	mails map[string]bool        // attempts that the mail server took
}

// judge makes the report.
func (w *world) judge(t *truth, listed map[string]string, still bool, took time.Duration) *report {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &evidence{world: w, t: t, taken: append(w.twilio.Received(), w.mail.Received()...), mails: map[string]bool{}}
	for _, m := range w.mail.Received() {
		e.mails[m.AttemptID] = true
	}
	r := &report{store: w.store, took: took}
	w.describe(r, e, listed)
	r.verdicts = append(r.verdicts,
		e.accounted(listed), e.present(listed), e.pending(still), e.once(), e.known(), e.claimedFirst(), e.real(), e.uncertain(), e.afterStop(), e.stopsKept(),
		e.afterCancel(), e.afterEnd(), e.forwards(), e.explained(),
		w.rates("sms", w.twilio.Arrivals(), w.perSecond, time.Second), w.rates("sms", w.twilio.Arrivals(), w.perMinute, time.Minute),
		w.rates("mail", w.mail.Arrivals(), mailRate, time.Second), e.contract(), w.alive(),
		verdict{name: "answers are as the contract says", evidence: w.wrong},
	)
	w.write()
	for i := range r.verdicts {
		slices.Sort(r.verdicts[i].evidence) // maps have no order
	}
	return r
}

// write keeps what the rates are judged by.
func (w *world) write() {
	if w.keep == "" {
		return
	}
	var b strings.Builder
	line := func(at time.Time, what string) { fmt.Fprintf(&b, "%s %s\n", at.Format("15:04:05.000000"), what) }
	for _, at := range w.twilio.Arrivals() {
		line(at, "sms")
	}
	for _, u := range w.upsets {
		line(u.from, "forgets")
		line(u.to, "has forgotten")
	}
	for _, s := range w.stalls {
		line(s.at, "stood still "+s.late.String())
	}
	if err := os.WriteFile(filepath.Join(w.keep, w.store+"-arrivals.log"), []byte(b.String()), 0o600); err != nil {
		w.say("%v", err)
	}
}

// describe writes what happened.
func (w *world) describe(r *report, e *evidence, listed map[string]string) {
	outcomes, reasons, uncertain, fates := tally{}, tally{}, 0, tally{}
	for _, s := range e.t.sends {
		outcomes[s.status]++
		if s.reason != "" {
			reasons[s.reason]++
		}
	}
	for _, a := range e.t.attempts {
		fates[a.status]++
		if e.t.about(a.send, "attempt.uncertain", a.id) {
			uncertain++
		}
	}
	kills := 0
	for _, n := range w.nodes {
		kills += n.kills
	}
	called, lost := w.twilio.Callbacks()
	r.row("asked · accepted · refused as over", "%d · %d · %d", w.asked, len(w.ids), w.refused)
	r.row("outcomes in the store", "%s = %d", outcomes, outcomes.sum())
	r.row("listed by the API", "%d", len(listed))
	r.row("reasons", "%s", reasons)
	r.row("attempts", "%s = %d; %d were uncertain for a time", fates, fates.sum(), uncertain)
	r.row("requests · messages taken", "sms %d · %d, mail %d · %d; %d look-ups", w.twilio.Requests(), w.twilio.Count(), w.mail.Requests(), w.mail.Count(), w.twilio.Lookups())
	r.row("receipts heard · given up", "%d · %d; of %d messages none came", called, lost, len(w.silenced))
	r.row("kill -9 · Redis forgot · restarts", "%d · %d · %s", kills, len(w.upsets), tally(w.restarts))
	r.row("STOP · cancelled", "%d · %d", len(w.stopped), len(w.cancelled))
}

// accounted: the outcomes add up to what was accepted, in the store and in the API.
func (e *evidence) accounted(listed map[string]string) verdict {
	v := verdict{name: "accepted = sum of outcomes, in the store and in the API", note: fmt.Sprintf("%d = %d = %d", len(e.ids), len(e.t.sends), len(listed))}
	ours := map[string]bool{}
	for _, id := range e.ids {
		ours[id] = true
	}
	for id, s := range e.t.sends {
		switch {
		case !ours[id]:
			v.evidence = append(v.evidence, id+" of "+s.tx+" is in the store, and nobody was told")
		case listed[id] == "":
			v.evidence = append(v.evidence, id+" is not listed")
		}
	}
	return v
}

// present: what was answered with 202 is there.
func (e *evidence) present(map[string]string) verdict {
	v := verdict{name: "lost: 0"}
	for tx, id := range e.ids {
		if s, ok := e.t.sends[id]; !ok || s.tx != tx {
			v.evidence = append(v.evidence, id+" of "+tx+" was accepted and is not in the store")
		}
	}
	return v
}

// pending: nothing is due, or waits for nothing.
func (e *evidence) pending(still bool) verdict {
	v := verdict{name: "nothing is left to do"}
	later, now := 0, e.settled
	for _, s := range e.t.sends {
		open := s.status == "accepted" || s.status == "scheduled" || s.status == "sending"
		switch {
		case s.lane == "" && open:
			v.evidence = append(v.evidence, fmt.Sprintf("%s is %s, and nothing is due of it", s.id, s.status))
		case s.lane != "" && s.due.Before(now.Add(-2*e.lease)):
			v.evidence = append(v.evidence, fmt.Sprintf("%s is %s %s, due since %s", s.id, s.status, s.reason, now.Sub(s.due).Round(time.Second)))
		case s.lane != "":
			later++
		}
	}
	v.note = fmt.Sprintf("%d wait for a later time", later)
	if !still && len(v.evidence) == 0 {
		v.note += "; it was not waited for until all was still"
	}
	return v
}

// once: a provider took each message once, unless its own receipt said that the one before did not arrive.
func (e *evidence) once() verdict {
	v := verdict{name: "handed to a provider twice: 0"}
	type message struct {
		send, kind string
		step       int
	}
	took := map[message][]channeltest.Received{}
	for _, m := range e.taken {
		if a, ok := e.t.attempts[m.AttemptID]; ok {
			key := message{a.send, a.kind, a.step}
			took[key] = append(took[key], m)
		}
	}
	repeated := 0
	for key, list := range took {
		slices.SortFunc(list, func(a, b channeltest.Received) int { return a.At.Compare(b.At) })
		for _, m := range list[:len(list)-1] {
			if e.failed[m.AttemptID] && e.t.attempts[m.AttemptID].status == "failed" {
				repeated++
				continue
			}
			ids := []string{}
			for _, m := range list {
				ids = append(ids, m.AttemptID+" ("+e.t.attempts[m.AttemptID].status+")")
			}
			v.evidence = append(v.evidence, fmt.Sprintf("%s %s step %d by %s", key.send, key.kind, key.step, strings.Join(ids, ", ")))
			break
		}
	}
	v.note = fmt.Sprintf("%d were sent again because their receipt said undelivered", repeated)
	return v
}

// known: every message belongs to an attempt with its address.
func (e *evidence) known() verdict {
	v := verdict{name: "every message that a provider took belongs to an attempt", note: fmt.Sprint(len(e.taken))}
	seen := map[string]int{}
	for _, m := range e.taken {
		seen[m.AttemptID]++
		a, ok := e.t.attempts[m.AttemptID]
		switch {
		case !ok:
			v.evidence = append(v.evidence, m.ID+" carries "+m.AttemptID+", which the store does not know")
		case a.address != m.To:
			v.evidence = append(v.evidence, m.AttemptID+" went to another address than its own")
		case seen[a.id] > 1:
			v.evidence = append(v.evidence, a.id+" was taken more than once")
		case a.providerID != "" && !e.mails[a.id] && a.providerID != m.ID:
			v.evidence = append(v.evidence, fmt.Sprintf("%s has %s and is %s", a.id, a.providerID, m.ID))
		}
	}
	return v
}

// claimedFirst: law 3.
func (e *evidence) claimedFirst() verdict {
	v := verdict{name: "claimed before it was sent"}
	for _, m := range e.taken {
		a, ok := e.t.attempts[m.AttemptID]
		if ok && (a.at.After(m.At) || !e.t.about(a.send, "attempt.claimed", a.id)) {
			v.evidence = append(v.evidence, a.id+" of "+a.send)
		}
	}
	return v
}

// takenAttempts are those whose message a provider took.
func (e *evidence) takenAttempts() map[string]bool {
	taken := map[string]bool{}
	for _, m := range e.taken {
		taken[m.AttemptID] = true
	}
	return taken
}

// real: what the store says was taken, was.
func (e *evidence) real() verdict {
	v := verdict{name: "what counts as taken was taken"}
	taken := e.takenAttempts()
	for _, a := range e.t.attempts {
		reached := a.status == "accepted" || a.status == "sent" || a.status == "delivered" || a.status == "read"
		if reached && !taken[a.id] {
			v.evidence = append(v.evidence, fmt.Sprintf("%s of %s is %s, and its provider never took it", a.id, a.send, a.status))
		}
	}
	return v
}

// uncertain: each is settled, or closed when its grace time is over.
func (e *evidence) uncertain() verdict {
	v := verdict{name: "uncertain attempts are settled, or closed with that reason"}
	closed, waiting, never := 0, 0, 0
	taken := e.takenAttempts()
	for _, a := range e.t.attempts {
		if a.status != "uncertain" && a.status != "claimed" {
			continue
		}
		s := e.t.sends[a.send]
		if !taken[a.id] {
			never++
		}
		final := s.status == "failed" || s.status == "cancelled" || s.status == "suppressed" || s.status == "expired" || s.status == "completed"
		switch {
		case final || a.kind != "invitation" && s.lane == "":
			closed++
		case s.lane != "" && s.due.After(time.Now()) && (e.grace == 0 || time.Since(a.at) < e.grace+2*e.lease):
			waiting++
		default:
			v.evidence = append(v.evidence, fmt.Sprintf("%s is %s since %s, its send %s is %s, lane %q, due %s: %s",
				a.id, a.status, a.at.Format("15:04:05"), s.id, s.status, s.lane, s.due.Format("15:04:05"), e.t.trail(s.id)))
		}
	}
	v.note = fmt.Sprintf("%d closed; %d of all open ones were never taken", closed, never)
	if waiting > 0 {
		v.note += fmt.Sprintf(", %d within their grace time", waiting)
	}
	return v
}
