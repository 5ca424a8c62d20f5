package store

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/odziv/odziv/survey"
)

const (
	attemptColumns = `id, send_id, kind, step, channel, sender, address, status, provider_id, fault, code, segments, epoch, at, updated_at`

	selectAttempts = `SELECT ` + attemptColumns + ` FROM attempts WHERE send_id IN (%s)`

	suppressionColumns = `mode, channel, address, scope, reason, source, send_id, at`

	selectSuppressed = `SELECT ` + suppressionColumns + ` FROM suppressions WHERE address IN (%s)`

	// One row: SQLite copies the VALUES of an UPDATE FROM before it begins, and PostgreSQL gets all of a group at once.
	updateSend = `
UPDATE sends SET locale = $1, status = $2, reason = $3, kind = $4, step = $5, lane = $6, due_at = $7, epoch = $8, tries = $9,
expires_at = $10, updated_at = $11, thread = $12, response_id = $13, attempts = $14 WHERE id = $15`

	updateRecipient = `UPDATE sends SET email = $2, phone = $3, viber_id = $4, plan = $5, doc = $6 WHERE id = $1`

	upsertAttempts = `
INSERT INTO attempts (` + attemptColumns + `)
VALUES %s
ON CONFLICT (id) DO UPDATE SET status = excluded.status, provider_id = excluded.provider_id, fault = excluded.fault,
code = excluded.code, segments = excluded.segments, updated_at = excluded.updated_at
WHERE attempts.send_id = excluded.send_id`
	upsertAttemptsShape = "ttttttttttttttt"

	upsertThreads = `
INSERT INTO threads (address, channel, mode, send_id, invited_at, updated_at)
VALUES %s
ON CONFLICT (address, channel, mode) DO UPDATE SET send_id = excluded.send_id, updated_at = excluded.updated_at,
invited_at = CASE WHEN excluded.invited_at > threads.invited_at THEN excluded.invited_at ELSE threads.invited_at END`
	upsertThreadsShape = "tttttt"

	insertSuppressions = `
INSERT INTO suppressions (` + suppressionColumns + `)
VALUES %s
ON CONFLICT (address, channel, mode) DO UPDATE SET scope = excluded.scope, reason = excluded.reason, source = excluded.source,
send_id = excluded.send_id, at = excluded.at
WHERE suppressions.scope <> 'all' AND excluded.scope = 'all'`
	insertSuppressionsShape = "tttttttt"

	deleteSuppression = `DELETE FROM suppressions WHERE address = $1 AND channel = $2 AND mode = $3`
)

const (
	insertLedger      = `INSERT INTO ledger (send_id, id, type, at, data) VALUES %s`
	insertLedgerShape = "ttttt"
)

type applyWork struct {
	id  string
	fn  func(*survey.State) error
	out survey.State
}

// Apply changes one send: it loads the state under a lock, calls fn, and writes what fn changed and the events that
// it added in one commit. Calls for one send see each other's results. An error of fn is returned as it is, and
// nothing of it is written; fn may run more than once, also after the context ended, so it must be pure.
// survey.ErrNotFound when there is no such send.
//
// Of the send these are written: Status, Reason, Kind, Step, Lane, DueAt, Epoch, Tries, Thread, Locale, ExpiresAt,
// UpdatedAt, Recipient and Plan; the rest must not be changed, nor must Transaction.Attributes and Metadata be
// written into, which states share. Attempts are added or brought forward, never removed. Events get what they lack of
// ID, SendID and At.
func (s *Store) Apply(ctx context.Context, sendID string, fn func(*survey.State) error) (survey.State, error) {
	w := &applyWork{id: clean(sendID), fn: fn}
	if err := s.do(ctx, applyJob, 4, w); err != nil {
		return survey.State{}, err
	}
	return w.out, nil
}

// A state is what is known of a send, and of what it was when it was loaded.
type state struct {
	survey.State
	responseID string // of the row
	attempts   int
}

// load gives the states of sends. lock is the end of the SELECT, to hold the rows.
func (s *Store) load(ctx context.Context, q querier, ids []string, lock string) (map[string]*state, error) {
	states := make(map[string]*state, len(ids))
	var tried, answered, addresses []string
	text := selectSends
	if lock != "" {
		text = selectSends + ` ORDER BY id` + lock
	}
	err := in(ctx, q, text, ids, func(rows scanner) error {
		m, err := s.scanSend(rows)
		if err != nil {
			return err
		}
		states[m.ID] = &state{State: survey.State{Send: m.Send}, responseID: m.responseID, attempts: m.attempts}
		if m.attempts > 0 {
			tried = append(tried, m.ID)
		}
		if m.responseID != "" {
			answered = append(answered, m.ID)
		}
		for _, a := range [...]string{m.Recipient.Email, m.Recipient.Phone, m.Recipient.ViberID} {
			if a != "" {
				addresses = append(addresses, a)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load sends: %w", err)
	}
	if err := loadAttempts(ctx, q, tried, states); err != nil {
		return nil, fmt.Errorf("load attempts: %w", err)
	}
	if err := loadSuppressed(ctx, q, addresses, states); err != nil {
		return nil, fmt.Errorf("load suppressions: %w", err)
	}
	if len(answered) > 0 {
		responses, err := selectResponses(ctx, q, responsesOfSends, answered)
		if err != nil {
			return nil, fmt.Errorf("load responses: %w", err)
		}
		for i := range responses {
			states[responses[i].SendID].Response = &responses[i]
		}
	}
	return states, nil
}

func loadAttempts(ctx context.Context, q querier, ids []string, states map[string]*state) error {
	err := in(ctx, q, selectAttempts, ids, func(rows scanner) error {
		a, err := scanAttempt(rows)
		if st := states[a.SendID]; st != nil {
			st.Attempts = append(st.Attempts, a)
		}
		return err
	})
	for _, id := range ids {
		slices.SortFunc(states[id].Attempts, func(a, b survey.Attempt) int {
			return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
		})
	}
	return err
}

func scanAttempt(rows scanner) (survey.Attempt, error) {
	var a survey.Attempt
	var at, updated int64
	err := rows.Scan(&a.ID, &a.SendID, (*string)(&a.Kind), &a.Step, (*string)(&a.Channel), &a.Sender, &a.Address,
		(*string)(&a.Status), &a.ProviderID, &a.Fault, &a.Code, &a.Segments, &a.Epoch, &at, &updated)
	a.At, a.UpdatedAt = moment(at), moment(updated)
	return a, err
}

func scanSuppression(rows scanner) (survey.Suppression, error) {
	var p survey.Suppression
	var at int64
	err := rows.Scan((*string)(&p.Mode), (*string)(&p.Channel), &p.Address, &p.Scope, &p.Reason, &p.Source, &p.SendID, &at)
	p.At = moment(at)
	return p, err
}

func loadSuppressed(ctx context.Context, q querier, addresses []string, states map[string]*state) error {
	slices.Sort(addresses)
	by := map[string][]survey.Suppression{}
	err := in(ctx, q, selectSuppressed, slices.Compact(addresses), func(rows scanner) error {
		p, err := scanSuppression(rows)
		if !slices.Contains(by[p.Address], p) { // a list that was filled up names an address twice
			by[p.Address] = append(by[p.Address], p)
		}
		return err
	})
	if err != nil || len(by) == 0 {
		return err
	}
	for _, st := range states {
		r := st.Send.Recipient
		for _, a := range [...]string{r.Email, r.Phone, r.ViberID} {
			for _, p := range by[a] {
				if p.Mode == st.Send.Mode {
					st.Suppressions = append(st.Suppressions, p)
				}
			}
		}
	}
	return nil
}

// clone copies as much of a state as a function may change.
func clone(st survey.State) survey.State {
	st.Attempts = slices.Clone(st.Attempts)
	st.Suppressions = slices.Clone(st.Suppressions)
	st.Send.Plan = slices.Clone(st.Send.Plan)
	if st.Response != nil {
		r := *st.Response
		r.Answers = slices.Clone(r.Answers)
		st.Response = &r
	}
	st.Lift, st.Events = nil, nil
	return st
}

// A diff is all that a group of Apply calls changed.
type diff struct {
	sends        []*state
	recipients   []*state
	attempts     map[string]survey.Attempt
	attemptIDs   []string
	events       []survey.Event
	threads      map[threadKey]thread
	responses    []*state
	suppressions []survey.Suppression
	lifts        []survey.Suppression
}

type threadKey struct{ address, channel, mode string }

type thread struct {
	sendID  string
	invited int64
	updated int64
}

func (s *Store) runApply(ctx context.Context, t *tx, jobs []*job) error {
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.work.(*applyWork).id
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	states, err := s.load(ctx, t, ids, cmp.Or(t.dialect.lock, " "))
	if err != nil {
		return err
	}
	before := make(map[string]survey.State, len(states))
	for id, st := range states {
		before[id] = st.State
	}
	d := diff{attempts: map[string]survey.Attempt{}, threads: map[threadKey]thread{}}
	for _, j := range jobs {
		w := j.work.(*applyWork)
		st := states[w.id]
		if st == nil {
			j.err = survey.ErrNotFound
			continue
		}
		after := clone(st.State)
		if j.err = protect(func() error { return w.fn(&after) }); j.err != nil {
			continue
		}
		if j.err = s.settle(&after, st.State); j.err != nil {
			continue
		}
		d.add(st.State, after)
		st.State = clone(after)
		w.out = after
	}
	for _, id := range ids {
		if st := states[id]; st != nil {
			d.compare(before[id], st)
		}
	}
	if err := s.write(ctx, t, &d); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

// settle completes what a function left to the store, and gives values the form in which they will be read back.
func (s *Store) settle(after *survey.State, before survey.State) error {
	now := stored(s.now())
	m := &after.Send
	if m.ID != before.Send.ID {
		return fmt.Errorf("apply changed the id of send %s", before.Send.ID)
	}
	m.DueAt, m.ExpiresAt, m.UpdatedAt = stored(m.DueAt), stored(m.ExpiresAt), stored(m.UpdatedAt)
	m.Thread.Address = clean(m.Thread.Address)
	if sendChanged(before.Send, *m) && m.UpdatedAt.Equal(before.Send.UpdatedAt) {
		m.UpdatedAt = now
	}
	for i := range after.Attempts {
		a := &after.Attempts[i]
		a.SendID = m.ID
		if a.ID == "" {
			a.ID = s.ids.New(survey.AttemptPrefix, now)
		}
		if a.At.IsZero() {
			a.At = now
		}
		if a.UpdatedAt.IsZero() {
			a.UpdatedAt = a.At
		}
		a.At, a.UpdatedAt = stored(a.At), stored(a.UpdatedAt)
		a.ProviderID, a.Code, a.Address = clean(a.ProviderID), clean(a.Code), clean(a.Address)
	}
	if r := after.Response; r != nil {
		r.SendID = m.ID
		if r.ID == "" {
			r.ID = s.ids.New(survey.ResponsePrefix, now)
		}
		if r.CreatedAt.IsZero() {
			r.CreatedAt = now
		}
		if r.UpdatedAt.IsZero() {
			r.UpdatedAt = r.CreatedAt
		}
		r.CreatedAt, r.UpdatedAt = stored(r.CreatedAt), stored(r.UpdatedAt)
		for i := range r.Answers {
			r.Answers[i].Text, r.Answers[i].At = clean(r.Answers[i].Text), stored(r.Answers[i].At)
		}
	}
	for i := range after.Suppressions {
		p := &after.Suppressions[i]
		p.Address, p.At = clean(p.Address), stored(p.At)
		p.Mode = cmp.Or(p.Mode, m.Mode)
		p.Scope = cmp.Or(p.Scope, "all")
	}
	for i := range after.Lift {
		after.Lift[i].Mode = cmp.Or(after.Lift[i].Mode, m.Mode)
	}
	for i := range after.Events {
		e := &after.Events[i]
		if e.ID == "" {
			e.ID = s.ids.New(survey.EventPrefix, now)
		}
		e.SendID = m.ID
		if e.At.IsZero() {
			e.At = now
		}
		e.At = stored(e.At)
	}
	return nil
}

// sendChanged reports whether the row of a send has to be written.
func sendChanged(a, b survey.Send) bool {
	return a.Status != b.Status || a.Reason != b.Reason || a.Kind != b.Kind || a.Step != b.Step || a.Lane != b.Lane ||
		!a.DueAt.Equal(b.DueAt) || a.Epoch != b.Epoch || a.Tries != b.Tries || !reflect.DeepEqual(a.Thread, b.Thread) || a.Locale != b.Locale ||
		!a.ExpiresAt.Equal(b.ExpiresAt) || !a.UpdatedAt.Equal(b.UpdatedAt) || recipientChanged(a, b)
}

func recipientChanged(a, b survey.Send) bool {
	return a.Recipient != b.Recipient || !slices.Equal(a.Plan, b.Plan)
}

// add notes what one function changed and a comparison of the ends would miss.
func (d *diff) add(before, after survey.State) {
	m := after.Send
	mode := string(m.Mode)
	if t := m.Thread; t.Address != "" && (t.Address != before.Send.Thread.Address || t.Channel != before.Send.Thread.Channel) {
		d.thread(threadKey{t.Address, string(t.Channel), mode}, thread{sendID: m.ID, updated: micros(m.UpdatedAt)})
	}
	for i, a := range after.Attempts {
		if i < len(before.Attempts) && before.Attempts[i] == a {
			continue
		}
		was := slices.IndexFunc(before.Attempts, func(b survey.Attempt) bool { return b.ID == a.ID })
		fresh := was < 0
		if _, ok := d.attempts[a.ID]; !ok {
			d.attemptIDs = append(d.attemptIDs, a.ID)
		}
		d.attempts[a.ID] = a
		if a.Address == "" || a.Kind != survey.Invitation && a.Kind != survey.Reminder {
			continue
		}
		// Whom a failed attempt did not reach was not invited.
		reached := a.Status != survey.AttemptClaimed && a.Status != survey.AttemptFailed
		t := thread{sendID: m.ID, updated: micros(a.UpdatedAt)}
		if reached {
			t.invited = micros(a.At)
		}
		if fresh || reached && before.Attempts[was].Status == survey.AttemptClaimed {
			d.thread(threadKey{a.Address, string(a.Channel), mode}, t)
		}
	}
	for _, p := range after.Suppressions {
		if !slices.Contains(before.Suppressions, p) {
			d.suppressions = append(d.suppressions, p)
		}
	}
	d.lifts = append(d.lifts, after.Lift...)
	d.events = append(d.events, after.Events...)
}

func (d *diff) thread(k threadKey, t thread) {
	t.invited = max(t.invited, d.threads[k].invited)
	d.threads[k] = t
}

// compare notes which rows of a send changed over the whole group.
func (d *diff) compare(before survey.State, st *state) {
	responseChanged := st.Response != nil && !sameResponse(before.Response, st.Response)
	if responseChanged {
		d.responses = append(d.responses, st)
	}
	if recipientChanged(before.Send, st.Send) {
		d.recipients = append(d.recipients, st)
	}
	fresh := st.Response != nil && st.responseID != st.Response.ID
	if sendChanged(before.Send, st.Send) || fresh || len(st.Attempts) != st.attempts {
		d.sends = append(d.sends, st)
	}
}

func sameResponse(a, b *survey.Response) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Complete == b.Complete && a.Metric == b.Metric && a.Score == b.Score && a.Segment == b.Segment &&
		a.Locale == b.Locale && a.UpdatedAt.Equal(b.UpdatedAt) && slices.EqualFunc(a.Answers, b.Answers, sameAnswer)
}

func sameAnswer(a, b survey.Answer) bool {
	va, vb := a.Value, b.Value
	if (va == nil) != (vb == nil) || va != nil && *va != *vb {
		return false
	}
	return a.Question == b.Question && a.Text == b.Text && a.Channel == b.Channel && a.Evidence == b.Evidence && a.At.Equal(b.At)
}

func (s *Store) write(ctx context.Context, t *tx, d *diff) error {
	for _, st := range d.sends {
		m, response := &st.Send, st.responseID
		if st.Response != nil {
			response = st.Response.ID
		}
		thread, err := encodeThread(m.Thread)
		if err != nil {
			return err
		}
		err = t.later(ctx, updateSend, m.Locale, string(m.Status), string(m.Reason), string(m.Kind), int64(m.Step), m.Lane,
			micros(m.DueAt), m.Epoch, int64(m.Tries), micros(m.ExpiresAt), micros(m.UpdatedAt), thread, response, int64(len(st.Attempts)), m.ID)
		if err != nil {
			return fmt.Errorf("update send: %w", err)
		}
	}
	if err := s.writeRecipients(ctx, t, d.recipients); err != nil {
		return err
	}
	err := t.insert(ctx, upsertAttempts, upsertAttemptsShape, len(d.attemptIDs), func(args []any, i int) []any {
		a := d.attempts[d.attemptIDs[i]]
		return append(args, a.ID, a.SendID, string(a.Kind), int64(a.Step), string(a.Channel), a.Sender, a.Address, string(a.Status),
			a.ProviderID, a.Fault, a.Code, int64(a.Segments), a.Epoch, micros(a.At), micros(a.UpdatedAt))
	}, nil)
	if err != nil {
		return fmt.Errorf("upsert attempts: %w", err)
	}
	if err := writeEvents(ctx, t, d.events); err != nil {
		return err
	}
	if err := writeThreads(ctx, t, d.threads); err != nil {
		return err
	}
	if err := writeResponses(ctx, t, d.responses); err != nil {
		return err
	}
	return writeSuppressions(ctx, t, widest(d.suppressions), d.lifts)
}

func (s *Store) writeRecipients(ctx context.Context, t *tx, states []*state) error {
	for _, st := range states {
		m := &st.Send
		text, err := appendDoc(nil, m)
		if err != nil {
			return err
		}
		if err := t.later(ctx, updateRecipient, m.ID, m.Recipient.Email, m.Recipient.Phone, m.Recipient.ViberID, encodePlan(m.Plan), string(text)); err != nil {
			return fmt.Errorf("update recipient: %w", err)
		}
	}
	return nil
}

func writeEvents(ctx context.Context, t *tx, events []survey.Event) error {
	data := make([]string, len(events))
	for i, e := range events {
		var err error
		if data[i], err = encodeData(e.Data); err != nil {
			return fmt.Errorf("encode event %s: %w", e.Type, err)
		}
	}
	err := t.insert(ctx, insertLedger, insertLedgerShape, len(events), func(args []any, i int) []any {
		e := events[i]
		return append(args, e.SendID, e.ID, e.Type, micros(e.At), data[i])
	}, nil)
	if err != nil {
		return fmt.Errorf("insert ledger: %w", err)
	}
	return nil
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
		return append(args, k.address, k.channel, k.mode, v.sendID, v.invited, v.updated)
	}, nil)
	if err != nil {
		return fmt.Errorf("upsert threads: %w", err)
	}
	return nil
}

func writeSuppressions(ctx context.Context, t *tx, added, lifted []survey.Suppression) error {
	for _, p := range lifted {
		if err := t.later(ctx, deleteSuppression, clean(p.Address), string(p.Channel), string(p.Mode)); err != nil {
			return fmt.Errorf("lift suppression: %w", err)
		}
	}
	err := t.insert(ctx, insertSuppressions, insertSuppressionsShape, len(added), func(args []any, i int) []any {
		p := added[i]
		return append(args, string(p.Mode), string(p.Channel), p.Address, p.Scope, p.Reason, p.Source, p.SendID, micros(p.At))
	}, nil)
	if err != nil {
		return fmt.Errorf("insert suppressions: %w", err)
	}
	return nil
}

// widest keeps one suppression of each address: a statement cannot change a row twice.
func widest(all []survey.Suppression) []survey.Suppression {
	kept := all[:0:0]
	for _, p := range all {
		i := slices.IndexFunc(kept, func(k survey.Suppression) bool {
			return k.Mode == p.Mode && k.Channel == p.Channel && k.Address == p.Address
		})
		switch {
		case i < 0:
			kept = append(kept, p)
		case kept[i].Scope != survey.ScopeAll:
			kept[i] = p
		}
	}
	return kept
}
