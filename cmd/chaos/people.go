package main

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/odziv/odziv/channels/channeltest"
)

// receipts decides what a provider reports of a message, and what the person who gets it does.
func (w *world) receipts(m channeltest.Received) []channeltest.Report {
	w.mu.Lock()
	w.messages[m.To]++
	n := w.messages[m.To]
	w.mu.Unlock()
	h := fnv.New64a()
	_, _ = h.Write([]byte(m.To))
	r := rand.New(rand.NewPCG(w.seed+uint64(n), h.Sum64())) //nolint:gosec // repeatable on purpose
	o := w.byPhone[m.To]
	if o != nil && n <= 2 {
		w.react(o, n, r)
	}
	sent := channeltest.Report{After: ms(r, 10, 400), Word: "sent"}
	arrived := channeltest.Report{After: ms(r, 30, 3000), Word: "delivered"}
	switch draw := r.IntN(100); {
	case draw < 8:
		sent.Lost, arrived.Lost = true, true
		w.mark(w.silenced, m.AttemptID)
	case draw < 10, draw < 45 && o != nil && o.kind == cascade && n == 1:
		arrived.Word, arrived.Code = "undelivered", "30005"
		w.mark(w.failed, m.AttemptID)
	case draw == 10:
		arrived.Word, arrived.Code = "undelivered", "30003" // for now: it may be sent again
		w.mark(w.failed, m.AttemptID)
	}
	all := []channeltest.Report{sent, arrived}
	if r.IntN(100) < 15 {
		twice := arrived
		twice.After += ms(r, 0, 2000)
		all = append(all, twice)
	}
	return all
}

func (w *world) mark(in map[string]bool, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in[id] = true
}

// ms is from least to most milliseconds.
func ms(r *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+r.IntN(most-least)) * time.Millisecond
}

// react is what the person does about the n-th message.
func (w *world) react(o *order, n int, r *rand.Rand) {
	switch {
	case o.kind == stopping && n == 1:
		wait, then := ms(r, 0, 3000), ms(r, 0, 1500)
		w.person(func() { w.stop(o, wait, then) })
	case o.kind == answering:
		words := []string{"9", "Hvala, sve je bilo super"}
		wait := ms(r, 100, 2000)
		w.person(func() { w.reply(o.phone, words[n-1], wait) })
	}
}

// reply writes to the gateway until that is taken; it is false when the load is over.
func (w *world) reply(phone, text string, wait time.Duration) bool {
	for rest(w.load, wait) {
		if w.twilio.Reply(w.load, phone, twilioFrom, text, w.api.url+"/webhooks/twilio/sms/inbound") == nil {
			return true
		}
		wait = 300 * time.Millisecond
	}
	return false
}

// stop is a person who leaves, and a backend that asks for that person once more.
func (w *world) stop(o *order, wait, then time.Duration) {
	if !w.reply(o.phone, "STOP", wait) {
		return
	}
	w.mu.Lock()
	w.stopped[o.phone] = time.Now()
	w.mu.Unlock()
	if !rest(w.load, then) {
		return
	}
	more := *o
	more.kind, more.tx = plain, o.tx+"-more"
	_ = w.ask(w.whole, ask{key: "more-" + o.tx, orders: []*order{&more}, single: true}) // cut off by the end of the run only
}
