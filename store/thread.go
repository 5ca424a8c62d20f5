package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/odziv/odziv/survey"
)

const (
	upsertThreads = `
INSERT INTO threads (address, channel, mode, send_id, updated_at, history, heard_at, unanswered, said)
VALUES %s
ON CONFLICT (address, channel, mode) DO UPDATE SET
send_id = CASE WHEN excluded.send_id = '' THEN threads.send_id ELSE excluded.send_id END,
updated_at = excluded.updated_at,
history = CASE WHEN excluded.history = '' THEN threads.history ELSE substr(excluded.history || threads.history, 1, 12000) END,
heard_at = CASE WHEN excluded.heard_at > threads.heard_at THEN excluded.heard_at ELSE threads.heard_at END,
unanswered = CASE WHEN excluded.heard_at > 0 THEN excluded.unanswered
WHEN threads.unanswered + excluded.unanswered < 0 THEN 0 ELSE threads.unanswered + excluded.unanswered END,
said = CASE WHEN excluded.heard_at > threads.heard_at + 86400000000 THEN excluded.said
WHEN threads.said + excluded.said < 0 THEN 0 ELSE threads.said + excluded.said END`
	upsertThreadsShape = "ttttttttt"
)

type threadKey struct{ address, channel, mode string }

// A thread is what one group of changes says of an address.
type thread struct {
	sendID           string // "": the thread stays with whom it is
	updated          int64
	history          string // new lines, the latest first
	heard            int64  // 0: not
	unanswered, said int64  // messages of ours more, or fewer when they surely failed; since heard, when it was
}

// thread adds what happened later.
func (d *diff) thread(k threadKey, t thread) {
	old := d.threads[k]
	t.sendID = cmp.Or(t.sendID, old.sendID)
	t.updated = max(t.updated, old.updated)
	t.history += old.history
	if t.heard == 0 {
		t.unanswered += old.unanswered
	}
	t.said += old.said
	if t.heard = max(t.heard, old.heard); t.heard > 0 {
		t.unanswered = max(t.unanswered, 0)
	}
	d.threads[k] = t
}

// threadsOf notes what one change says of the addresses of its send.
func (d *diff) threadsOf(before, after *survey.State) {
	m := &after.Send
	mode, updated := string(m.Mode), micros(m.UpdatedAt)
	if t := &m.Thread; t.Address != "" && (t.Address != before.Send.Thread.Address || t.Channel != before.Send.Thread.Channel) {
		d.thread(threadKey{t.Address, string(t.Channel), mode}, thread{sendID: m.ID, updated: updated})
	}
	if t := &m.Thread; t.Channel == survey.Viber && t.Address != "" && heard(before.Send.Thread.Heard, t.Heard) {
		d.thread(threadKey{t.Address, string(t.Channel), mode}, thread{updated: updated, heard: heardAt(after)})
	}
	if after.Response != nil && before.Response == nil {
		d.answered(after)
	}
}

// attemptOf notes what an attempt that changed says of its address; before is nil when it is new.
//
// A claimed attempt may have reached a provider. Of one that surely did not, it is taken back.
func (d *diff) attemptOf(m *survey.Send, before, after *survey.Attempt) {
	asks := after.Kind == survey.Invitation || after.Kind == survey.Reminder
	was, is := before != nil && before.Status != survey.AttemptFailed, after.Status != survey.AttemptFailed
	if after.Address == "" || before != nil && was == is || !asks && after.Channel != survey.Viber {
		return
	}
	t := thread{updated: micros(after.UpdatedAt)}
	if asks {
		if t.sendID = m.ID; is {
			t.history = invitedLine(micros(after.At), m, after.Channel)
		} else {
			t.history = missedLine(micros(after.At), m)
		}
	}
	if after.Channel == survey.Viber {
		n := int64(1)
		if before == nil && !is {
			n = 0
		} else if !is {
			n = -1
		}
		t.unanswered, t.said = n, n
	}
	d.thread(threadKey{after.Address, string(after.Channel), string(m.Mode)}, t)
	d.remember(m, t)
}

// remember adds to the history of a contact, which is kept as that of an address without a channel: what was asked at one address
// of a person counts at the others at once, though the contact that joins them is written later. The keys of contacts lie all over the
// table, so that a row of each costs as much as a fifth of all else that is written of a send: nobody has one for nothing.
func (d *diff) remember(m *survey.Send, t thread) {
	if t.history != "" && !d.noFatigue && knownOtherwise(m) {
		d.thread(threadKey{address: m.ContactID, mode: string(m.Mode)}, thread{updated: t.updated, history: t.history})
	}
}

// knownOtherwise reports whether a person is known by more than the address that is written to.
func knownOtherwise(m *survey.Send) bool {
	return m.ContactID != "" && (m.Recipient.ExternalID != "" || len(addressesOf(&m.Recipient)) > 1)
}

// heard reports whether a reply was taken in.
func heard(before, after string) bool {
	all := strings.Fields(after)
	return after != before && len(all) > 0 && !slices.Contains(strings.Fields(before), all[len(all)-1])
}

func heardAt(st *survey.State) int64 {
	for i := range st.Events {
		if st.Events[i].Type == "reply.received" {
			return micros(st.Events[i].At)
		}
	}
	return micros(st.Send.UpdatedAt)
}

// answered adds to the history of the thread, or when there is none, of the addresses that were asked.
func (d *diff) answered(st *survey.State) {
	m := &st.Send
	at := micros(st.Response.CreatedAt)
	add := func(c survey.Channel, address string) {
		t := thread{updated: at, history: answeredLine(at, m, c)}
		d.thread(threadKey{address, string(c), string(m.Mode)}, t)
		d.remember(m, t)
	}
	if m.Thread.Address != "" {
		add(m.Thread.Channel, m.Thread.Address)
		return
	}
	asked := map[threadKey]bool{}
	for i := range st.Attempts {
		a := &st.Attempts[i]
		if k := (threadKey{address: a.Address, channel: string(a.Channel)}); a.Address != "" && !asked[k] {
			asked[k] = true
			add(a.Channel, a.Address)
		}
	}
}

func writeThreads(ctx context.Context, t *tx, threads map[threadKey]thread) error {
	keys := make([]threadKey, 0, len(threads))
	for k := range threads {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b threadKey) int {
		return cmp.Or(strings.Compare(a.address, b.address), strings.Compare(a.channel, b.channel), strings.Compare(a.mode, b.mode))
	})
	err := t.insert(ctx, upsertThreads, upsertThreadsShape, len(keys), func(args []any, i int) []any {
		k, v := keys[i], threads[keys[i]]
		return append(args, k.address, k.channel, k.mode, v.sendID, v.updated, v.history, v.heard, v.unanswered, v.said)
	}, nil)
	if err != nil {
		return fmt.Errorf("upsert threads: %w", err)
	}
	return nil
}
