package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	sendColumns = `sends.id, mode, brand, survey, survey_version, locale, contact_id, email, phone, viber_id, transaction_id,
status, reason, kind, step, lane, due_at, epoch, tries, expires_at, created_at, updated_at, actor, plan, doc,
thread, response_id, attempts, priority, rev`

	insertSends = `
INSERT INTO sends (id, mode, brand, survey, survey_version, locale, contact_id, email, phone, viber_id, transaction_id,
status, reason, kind, lane, queue, priority, due_at, expires_at, created_at, updated_at, actor, plan, doc, accepted)
VALUES %s
ON CONFLICT DO NOTHING`
	insertSendsShape = "ttttttttttttttttttttttttt"

	selectSends = `SELECT ` + sendColumns + ` FROM sends WHERE id IN (%s)`

	selectSendIDs = `SELECT id FROM sends WHERE id IN (%s)`

	selectSame = `
WITH same (transaction_id, survey, contact_id, mode) AS (VALUES %s)
SELECT ` + sendColumnsOf + ` FROM same JOIN sends ON sends.transaction_id = same.transaction_id
AND sends.survey = same.survey AND sends.contact_id = same.contact_id AND sends.mode = same.mode
WHERE sends.transaction_id <> ''`
	selectSameShape = "tttt"

	selectIdempotency = `SELECT same_key, actor, at FROM idempotency WHERE same_key IN (%s)`

	insertIdempotency = `
INSERT INTO idempotency (same_key, actor, hash, status, body, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (same_key, actor) DO UPDATE SET
hash = excluded.hash, status = excluded.status, body = excluded.body, at = excluded.at
WHERE idempotency.at < $7`

	selectReplay = `SELECT hash, status, body, at FROM idempotency WHERE same_key = $1 AND actor = $2 AND at >= $3`

	// sendColumnsOf is sendColumns where another table has columns of the same names.
	sendColumnsOf = `sends.id, sends.mode, sends.brand, sends.survey, sends.survey_version, sends.locale, sends.contact_id,
sends.email, sends.phone, sends.viber_id, sends.transaction_id, sends.status, sends.reason, sends.kind, sends.step, sends.lane,
sends.due_at, sends.epoch, sends.tries, sends.expires_at, sends.created_at, sends.updated_at, sends.actor, sends.plan, sends.doc,
sends.thread, sends.response_id, sends.attempts, sends.priority, sends.rev`
)

type acceptWork struct {
	sends []survey.Send // ours
	texts []acceptTexts
	idem  *survey.Idempotency
	out   []survey.AcceptedSend
}

type acceptTexts struct{ doc, plan, event string }

// Accept stores new sends in one commit, with a ledger event send.accepted each, and the idempotency record when there
// is one. A send of the same survey, transaction, contact and mode as an earlier one is a
// duplicate: nothing of it is written, and the earlier one is returned in its place. With survey.ErrIdempotencyTaken
// nothing of the call is written. A consent that is taken back with a send suppresses its addresses in the same commit.
//
// What a send lacks is filled in: ID, Mode live, Status accepted, ContactID, CreatedAt, UpdatedAt. Its life begins: Step, Epoch, Rev, Tries and
// Thread are zero whatever the caller gives.
func (s *Store) Accept(ctx context.Context, sends []survey.Send, idem *survey.Idempotency) ([]survey.AcceptedSend, error) {
	w, err := s.prepareAccept(sends, idem)
	if err != nil {
		return nil, err
	}
	if err := s.do(ctx, acceptJob, len(sends), w); err != nil {
		return nil, err
	}
	return w.out, nil
}

// prepareAccept does what needs no database in the goroutine of the caller.
func (s *Store) prepareAccept(sends []survey.Send, idem *survey.Idempotency) (*acceptWork, error) {
	w := &acceptWork{sends: slices.Clone(sends), texts: make([]acceptTexts, len(sends)), idem: idem}
	now := s.now()
	var planOf []survey.Step
	var plan, data string
	var err error
	buffer := make([]byte, 0, 512)
	for i := range w.sends {
		m := &w.sends[i]
		complete(m, now)
		if m.ID == "" {
			m.ID = s.ids.New(survey.SendPrefix, now)
		}
		if buffer, err = appendDoc(buffer[:0], m); err != nil {
			return nil, err
		}
		if plan == "" || !slices.Equal(planOf, m.Plan) {
			plan, planOf = encodePlan(m.Plan), m.Plan
		}
		if i == 0 || !sameAcceptance(m, &w.sends[i-1]) {
			data = acceptance(m)
		}
		w.texts[i] = acceptTexts{string(buffer), plan, s.ids.New(survey.EventPrefix, now) + data}
	}
	return w, nil
}

// complete fills in what a new send lacks, and gives every value the form in which it will be read back.
func complete(m *survey.Send, now time.Time) {
	m.Mode = cmp.Or(m.Mode, survey.Live)
	m.Status = cmp.Or(m.Status, survey.Accepted)
	r := &m.Recipient
	for _, p := range []*string{&r.ExternalID, &r.Name, &r.Email, &r.Phone, &r.ViberID, &r.Locale, &r.Timezone, &m.Locale, &m.Transaction.ID} {
		*p = clean(*p)
	}
	r.Email = survey.Canonical(survey.Email, r.Email)
	if m.ContactID == "" {
		m.ContactID = survey.ContactID(m.Mode, *r)
	}
	if m.CreatedAt.IsZero() {
		m.CreatedAt = now
	}
	if m.UpdatedAt.IsZero() {
		m.UpdatedAt = m.CreatedAt
	}
	m.Thread, m.Step, m.Epoch, m.Rev, m.Tries = survey.Thread{}, 0, 0, 0, 0
	m.CreatedAt, m.UpdatedAt = stored(m.CreatedAt), stored(m.UpdatedAt)
	m.ExpiresAt, m.DueAt = stored(m.ExpiresAt), stored(m.DueAt)
}

// sameAcceptance reports whether acceptance gives the same for both.
func sameAcceptance(a, b *survey.Send) bool {
	return a.Actor == b.Actor && a.Survey == b.Survey && a.SurveyVersion == b.SurveyVersion && a.Locale == b.Locale &&
		a.Status == b.Status && a.Reason == b.Reason && a.Brand == b.Brand
}

// acceptance is the data of the first event of a send.
func acceptance(m *survey.Send) string {
	b := append(make([]byte, 0, 128), '{')
	b = appendText(b, "actor", m.Actor)
	b = appendText(b, "brand", m.Brand)
	b = appendText(b, "locale", m.Locale)
	b = appendText(b, "reason", string(m.Reason))
	if m.Status != survey.Accepted {
		b = appendText(b, "status", string(m.Status))
	}
	b = appendText(b, "survey", m.Survey)
	b = strconv.AppendInt(appendName(b, "survey_version"), int64(m.SurveyVersion), 10)
	return string(append(b, '}'))
}

// An acceptRow is one send of one call in a merged group.
type acceptRow struct {
	job *job
	w   *acceptWork
	i   int
}

func (r acceptRow) send() *survey.Send { return &r.w.sends[r.i] }

func (s *Store) runAccept(ctx context.Context, t *tx, jobs []*job) error {
	if err := s.checkIdempotency(ctx, t, jobs); err != nil {
		return err
	}
	var rows []acceptRow
	for _, j := range jobs {
		w := j.work.(*acceptWork)
		w.out = make([]survey.AcceptedSend, len(w.sends))
		if j.err != nil {
			continue
		}
		for i := range w.sends {
			w.out[i] = survey.AcceptedSend{ID: w.sends[i].ID, Send: w.sends[i]}
			rows = append(rows, acceptRow{j, w, i})
		}
	}
	var others []acceptRow // not inserted
	err := t.insert(ctx, insertSends, insertSendsShape, len(rows), func(args []any, i int) []any {
		m, text := rows[i].send(), &rows[i].w.texts[rows[i].i]
		return append(args, m.ID, string(m.Mode), m.Brand, m.Survey, int64(m.SurveyVersion), m.Locale, m.ContactID,
			m.Recipient.Email, m.Recipient.Phone, m.Recipient.ViberID, m.Transaction.ID, string(m.Status), string(m.Reason),
			string(m.Kind), m.Lane, queueOf(m), int64(m.Priority), micros(m.DueAt), micros(m.ExpiresAt),
			micros(m.CreatedAt), micros(m.UpdatedAt), m.Actor, text.plan, text.doc, text.event)
	}, func(from, to int, taken int64) error {
		short, err := notTaken(ctx, t, rows[from:to], taken)
		others = append(others, short...)
		return err
	})
	if err != nil {
		return fmt.Errorf("insert sends: %w", err)
	}
	if len(others) > 0 {
		if err := s.duplicates(ctx, t, others); err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(r acceptRow) bool { return r.w.out[r.i].Duplicate })
	}
	if err := stopWithdrawn(ctx, t, rows); err != nil {
		return err
	}
	if err := keepContacts(ctx, t, rows); err != nil {
		return err
	}
	return s.recordIdempotency(ctx, t, jobs)
}

// notTaken finds those of a portion that were not inserted.
func notTaken(ctx context.Context, t *tx, rows []acceptRow, taken int64) ([]acceptRow, error) {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.send().ID
	}
	there := map[string]bool{}
	err := in(ctx, t, selectSendIDs, ids, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		there[id] = true
		return err
	})
	if err != nil {
		return nil, err
	}
	if int64(len(there)) != taken { // an id was used twice
		return nil, fmt.Errorf("insert sends: id is not new: %w", survey.ErrConflict)
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r acceptRow) bool { return there[r.send().ID] }), nil
}

// duplicates puts the earlier sends in the place of those that were not inserted.
func (s *Store) duplicates(ctx context.Context, t *tx, rows []acceptRow) error {
	type same struct{ transaction, survey, contact, mode string }
	of := func(m *survey.Send) same { return same{m.Transaction.ID, m.Survey, m.ContactID, string(m.Mode)} }
	there := map[same]survey.Send{}
	err := t.insertReturning(ctx, selectSame, selectSameShape, len(rows), func(args []any, i int) []any {
		k := of(rows[i].send())
		return append(args, k.transaction, k.survey, k.contact, k.mode)
	}, func(row scanner) error {
		m, err := s.scanSend(row)
		there[of(&m.Send)] = m.Send
		return err
	})
	if err != nil {
		return fmt.Errorf("select duplicates: %w", err)
	}
	for _, r := range rows {
		m, ok := there[of(r.send())]
		if !ok {
			return fmt.Errorf("insert sends: id is not new: %w", survey.ErrConflict)
		}
		r.w.out[r.i] = survey.AcceptedSend{ID: m.ID, Duplicate: true, Send: m}
	}
	return nil
}

type idemKey struct{ key, actor string }

// checkIdempotency gives survey.ErrIdempotencyTaken to the jobs whose key is recorded, or wanted by an earlier job of the group.
func (s *Store) checkIdempotency(ctx context.Context, t *tx, jobs []*job) error {
	var keys []string
	for _, j := range jobs {
		if w, ok := j.work.(*acceptWork); ok && w.idem != nil {
			keys = append(keys, clean(w.idem.Key))
		}
	}
	if keys == nil {
		return nil
	}
	there := map[idemKey]int64{}
	err := in(ctx, t, selectIdempotency, keys, func(rows scanner) error {
		var k idemKey
		var at int64
		err := rows.Scan(&k.key, &k.actor, &at)
		there[k] = at
		return err
	})
	if err != nil {
		return fmt.Errorf("select idempotency: %w", err)
	}
	wanted := map[idemKey]bool{}
	for _, j := range jobs {
		w, ok := j.work.(*acceptWork)
		if !ok || w.idem == nil {
			continue
		}
		k := idemKey{clean(w.idem.Key), w.idem.Actor}
		at, found := there[k]
		if wanted[k] || found && at >= micros(w.idem.Since) {
			j.err = survey.ErrIdempotencyTaken
		}
		wanted[k] = true
	}
	return nil
}

func (s *Store) recordIdempotency(ctx context.Context, t *tx, jobs []*job) error {
	for _, j := range jobs {
		w, ok := j.work.(*acceptWork)
		if !ok || w.idem == nil || j.err != nil {
			continue
		}
		var status int
		var body []byte
		err := protect(func() error {
			status, body = w.idem.Compose(w.out)
			return nil
		})
		if err != nil {
			return fmt.Errorf("compose answer: %w", err) // of the group: its sends are in the transaction
		}
		if body == nil {
			body = []byte{}
		}
		n, err := t.exec(ctx, insertIdempotency, clean(w.idem.Key), w.idem.Actor, hex.EncodeToString(w.idem.Hash[:]), int64(status),
			body, micros(s.now()), micros(w.idem.Since))
		if err != nil {
			return fmt.Errorf("insert idempotency: %w", err)
		}
		if n == 0 { // another process was faster
			return survey.ErrIdempotencyTaken
		}
	}
	return nil
}

// Replay gives the recorded answer of the call with this key that was made at since or later.
func (s *Store) Replay(ctx context.Context, actor, key string, since time.Time) (survey.Replay, bool, error) {
	var r survey.Replay
	var hash string
	var at int64
	err := s.reader.row(ctx, selectReplay, []any{clean(key), actor, micros(since)}, &hash, &r.Status, &r.Body, &at)
	if errors.Is(err, survey.ErrNotFound) {
		return r, false, nil
	}
	if err == nil {
		err = decodeHash(hash, &r.Hash)
	}
	r.At = moment(at)
	return r, err == nil, err
}

func decodeHash(text string, into *[32]byte) error {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(into) {
		return fmt.Errorf("decode hash: %d bytes: %w", len(b), err)
	}
	copy(into[:], b)
	return nil
}

// A sendRow is a send and what its row says of other tables.
type sendRow struct {
	survey.Send
	responseID string
	attempts   int
}

func (s *Store) scanSend(rows scanner) (sendRow, error) {
	var m sendRow
	var due, expires, created, updated int64
	var plan, text, thread string
	err := rows.Scan(&m.ID, (*string)(&m.Mode), &m.Brand, &m.Survey, &m.SurveyVersion, &m.Locale, &m.ContactID,
		&m.Recipient.Email, &m.Recipient.Phone, &m.Recipient.ViberID, &m.Transaction.ID,
		(*string)(&m.Status), (*string)(&m.Reason), (*string)(&m.Kind), &m.Step, &m.Lane, &due, &m.Epoch, &m.Tries,
		&expires, &created, &updated, &m.Actor, &plan, &text, &thread, &m.responseID, &m.attempts,
		(*int)(&m.Priority), &m.Rev)
	if err != nil {
		return m, fmt.Errorf("scan send: %w", err)
	}
	m.DueAt, m.ExpiresAt, m.CreatedAt, m.UpdatedAt = moment(due), moment(expires), moment(created), moment(updated)
	if m.Plan, err = s.decodePlan(plan); err != nil {
		return m, err
	}
	if err := decodeJSON(thread, &m.Thread); err != nil {
		return m, fmt.Errorf("decode thread of %s: %w", m.ID, err)
	}
	return m, s.decodeDoc(text, &m.Send)
}

// Send gives a send with its attempts, oldest first. survey.ErrNotFound when there is none.
func (s *Store) Send(ctx context.Context, id string) (survey.Send, []survey.Attempt, error) {
	states, err := s.load(ctx, &s.reader, []string{id}, "")
	if err != nil {
		return survey.Send{}, nil, err
	}
	st, ok := states[id]
	if !ok {
		return survey.Send{}, nil, survey.ErrNotFound
	}
	return st.Send, st.Attempts, nil
}

// where builds the conditions of a list.
type where struct {
	text strings.Builder
	args []any
}

// add puts a condition with one placeholder in the place of %s; an empty value adds none.
func (w *where) add(condition, value string) {
	if value == "" {
		return
	}
	w.args = append(w.args, value)
	w.text.WriteString(" AND " + strings.Replace(condition, "%s", "$"+strconv.Itoa(len(w.args)), 1))
}

func (w *where) limit(n int) string {
	w.args = append(w.args, int64(n))
	return " LIMIT $" + strconv.Itoa(len(w.args))
}

func (w *where) offset(n int) string {
	w.args = append(w.args, int64(n))
	return " OFFSET $" + strconv.Itoa(len(w.args))
}

// Sends lists sends, newest first. next is "" at the end; where few sends are wanted among many, a page may have fewer than the limit,
// or none, and a next. survey.InvalidError when the cursor is none.
func (s *Store) Sends(ctx context.Context, f survey.SendFilter) (items []survey.Send, next string, err error) {
	if err := checkCursor(survey.SendPrefix, f.Cursor); err != nil {
		return nil, "", err
	}
	sends := list[survey.Send]{
		table: "sends", columns: sendColumns, indexed: f.Transaction != "",
		wanted: func(w *where) {
			w.add("mode = %s", string(f.Mode))
			w.add("survey = %s", f.Survey)
			w.add("status = %s", string(f.Status))
			w.add("transaction_id = %s AND transaction_id <> ''", f.Transaction)
			w.add("contact_id = %s", f.Contact)
		},
		scan: func(row scanner) (survey.Send, error) {
			m, err := s.scanSend(row)
			return m.Send, err
		},
		id: func(m survey.Send) string { return m.ID },
	}
	return sends.page(ctx, s, f.Cursor, page(f.Limit))
}

// cut takes the one item too many off a page; its presence says that there is a next page. Without it next is where to look on, or "".
func cut[T any](items []T, limit int, next string, id func(T) string) ([]T, string) {
	if len(items) <= limit {
		return items, next
	}
	items = items[:limit]
	return items, id(items[limit-1])
}

// Events lists the ledger of a send, newest first. survey.InvalidError when the cursor is none.
func (s *Store) Events(ctx context.Context, sendID, cursor string, limit int) (items []survey.Event, next string, err error) {
	if sendID == "" {
		return nil, "", survey.ErrNotFound
	}
	if err := checkCursor(survey.EventPrefix, cursor); err != nil {
		return nil, "", err
	}
	var w where
	w.add("send_id = %s", sendID)
	w.add("id < %s", cursor)
	limit = page(limit)
	text := `SELECT id, send_id, type, at, data FROM events WHERE id <> ''` + w.text.String() + ` ORDER BY id DESC` + w.limit(limit+1)
	rows, err := s.reader.query(ctx, text, w.args...)
	err = each(rows, err, func(row scanner) error {
		var e survey.Event
		var at int64
		var data string
		if err := row.Scan(&e.ID, &e.SendID, &e.Type, &at, &data); err != nil {
			return err
		}
		e.At = moment(at)
		items = append(items, e)
		return decodeJSON(data, &items[len(items)-1].Data)
	})
	items, next = cut(items, limit, "", func(e survey.Event) string { return e.ID })
	return items, next, err
}
