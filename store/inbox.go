package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	insertInbox = `
INSERT INTO inbox (id, mode, sender, endpoint, url, same_key, header, body, at, due_at, tries, result, done_at)
VALUES %s
ON CONFLICT DO NOTHING`
	insertInboxShape = "ttttttttttttt"

	selectInboxIDs = `SELECT id FROM inbox WHERE id IN (%s)`

	selectInbox = `SELECT id, mode, sender, endpoint, url, same_key, header, body, at, tries, result FROM inbox WHERE id IN (%s) AND length(result) = 0`

	selectInboxDue = `SELECT id FROM inbox WHERE result = '' AND due_at <= $1 LIMIT 1`
	// In the order of the index of what is unread: in that of ids all that ever came would be looked at.
	selectEarlier = `SELECT id FROM inbox WHERE result = '' AND due_at > $1 AND sender = $2 AND endpoint = $3 AND id < $4 ORDER BY due_at LIMIT 1000`

	takeInbox = `
UPDATE inbox SET due_at = $2, tries = tries + 1 WHERE id IN (
SELECT id FROM inbox WHERE result = '' AND due_at <= $1 ORDER BY due_at LIMIT $3`

	// By the ids alone: PostgreSQL may take the index of what is unread instead, which it believes to be empty, and look at all of that
	// for each. length() hides it.
	doneInbox = `
WITH v (id, result, done_at) AS (VALUES %s)
UPDATE inbox SET result = v.result, done_at = v.done_at FROM v WHERE inbox.id = v.id AND length(inbox.result) = 0`
	doneInboxShape = "ttn"

	selectThread     = `SELECT send_id FROM threads WHERE address = $1 AND channel = $2 AND mode = $3 AND send_id <> ''`
	selectAttempt    = `SELECT send_id FROM attempts WHERE id = $1`
	selectProviderID = `SELECT send_id, id FROM attempts WHERE provider_id <> '' AND provider_id = $1 AND sender = $2 ORDER BY id DESC LIMIT 1`
)

type putInboundWork struct {
	inbound survey.Inbound
	header  string
	fresh   bool
}

// PutInbound keeps a request. fresh is false when one of the same sender and key was kept before: then nothing is
// written.
func (s *Store) PutInbound(ctx context.Context, in survey.Inbound) (fresh bool, err error) {
	if in.At.IsZero() {
		in.At = s.now()
	}
	if in.ID == "" {
		in.ID = s.ids.New(survey.InboundPrefix, in.At)
	}
	if in.Body == nil {
		in.Body = []byte{}
	}
	header, err := encodeJSON(in.Header)
	if err != nil {
		return false, err
	}
	w := &putInboundWork{inbound: in, header: header}
	if err := s.do(ctx, putInboundJob, 1, w); err != nil {
		return false, err
	}
	return w.fresh, nil
}

func (s *Store) runPutInbound(ctx context.Context, t *tx, jobs []*job) error {
	works := make([]*putInboundWork, len(jobs))
	for i, j := range jobs {
		works[i] = j.work.(*putInboundWork)
		works[i].fresh = true
	}
	err := t.insert(ctx, insertInbox, insertInboxShape, len(works), func(args []any, i int) []any {
		m := &works[i].inbound
		return append(args, m.ID, string(m.Mode), m.Sender, clean(m.Endpoint), clean(m.URL), clean(m.Key), works[i].header, m.Body,
			micros(m.At), micros(m.At), int64(0), "", int64(0))
	}, func(from, to int, _ int64) error {
		ids := make([]string, 0, to-from)
		for _, w := range works[from:to] {
			w.fresh = false
			ids = append(ids, w.inbound.ID)
		}
		return in(ctx, t, selectInboxIDs, ids, func(row scanner) error {
			var id string
			err := row.Scan(&id)
			for _, w := range works[from:to] {
				w.fresh = w.fresh || w.inbound.ID == id
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("insert inbox: %w", err)
	}
	return nil
}

// TakeInbound gives the ids of unread requests that are due, in the order in which they came, and makes them due
// again at lease. The writer is asked only when there are any: most of the time there are none.
func (s *Store) TakeInbound(ctx context.Context, now, lease time.Time, limit int) ([]string, error) {
	var ids []string
	if err := s.reader.row(ctx, selectInboxDue, []any{micros(now)}, new(string)); err != nil {
		if errors.Is(err, survey.ErrNotFound) {
			err = nil
		}
		return nil, err
	}
	err := s.other(ctx, func(ctx context.Context, t *tx) error {
		ids = nil
		key := shaped{text: takeInbox + t.dialect.skip + `) RETURNING id`}
		return t.each(ctx, key, "", []any{micros(now), micros(lease), int64(limit)}, func(row scanner) error {
			var id string
			err := row.Scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	return ids, nil
}

// Inbound gives those of the requests that are still unread, in the order in which they came.
func (s *Store) Inbound(ctx context.Context, ids []string) ([]survey.Inbound, error) {
	var items []survey.Inbound
	err := in(ctx, &s.reader, selectInbox, ids, func(row scanner) error {
		var m survey.Inbound
		var header string
		var at int64
		err := row.Scan(&m.ID, (*string)(&m.Mode), &m.Sender, &m.Endpoint, &m.URL, &m.Key, &header, &m.Body, &at, &m.Tries, &m.Result)
		if err != nil {
			return err
		}
		m.At = moment(at)
		items = append(items, m)
		return decodeJSON(header, &items[len(items)-1].Header)
	})
	slices.SortFunc(items, func(a, b survey.Inbound) int { return strings.Compare(a.ID, b.ID) })
	return items, err
}

// EarlierInbound gives the ids of those requests like in that came before it, were taken to be read, and are unread.
func (s *Store) EarlierInbound(ctx context.Context, in survey.Inbound, now time.Time) ([]string, error) {
	return s.column(ctx, selectEarlier, micros(now), in.Sender, in.Endpoint, in.ID)
}

type doneInboundWork struct {
	ids    []string
	result string
}

// DoneInbound marks requests as read: "ok", "ignored" or "unreadable". What was read before keeps its result.
func (s *Store) DoneInbound(ctx context.Context, ids []string, result string) error {
	if len(ids) == 0 {
		return nil
	}
	if result == "" {
		return fmt.Errorf("done without a result")
	}
	return s.do(ctx, doneInboundJob, len(ids), &doneInboundWork{ids, result})
}

func (s *Store) runDoneInbound(ctx context.Context, t *tx, jobs []*job) error {
	results := map[string]string{}
	var ids []string
	for _, j := range jobs {
		w := j.work.(*doneInboundWork)
		for _, id := range w.ids {
			if _, ok := results[id]; !ok {
				results[id] = w.result
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	now := micros(s.now())
	err := t.insert(ctx, doneInbox, doneInboxShape, len(ids), func(args []any, i int) []any {
		return append(args, ids[i], results[ids[i]], now)
	}, nil)
	if err != nil {
		return fmt.Errorf("update inbox: %w", err)
	}
	if err := t.later(ctx, forgetRead, []byte{}); err != nil {
		return fmt.Errorf("erase inbox: %w", err)
	}
	return nil
}

// SendOfThread gives the send that last spoke to an address; survey.ErrNotFound when none did.
func (s *Store) SendOfThread(ctx context.Context, mode survey.Mode, channel survey.Channel, address string) (sendID string, err error) {
	err = s.reader.row(ctx, selectThread, []any{survey.Canonical(channel, address), string(channel), string(mode)}, &sendID)
	return sendID, err
}

// SendOfAttempt gives the send of an attempt; survey.ErrNotFound when there is no such attempt.
func (s *Store) SendOfAttempt(ctx context.Context, attemptID string) (sendID string, err error) {
	err = s.reader.row(ctx, selectAttempt, []any{clean(attemptID)}, &sendID)
	return sendID, err
}

// SendOfProviderID gives the latest attempt of a sender that the provider knows by this id; survey.ErrNotFound when
// there is none.
func (s *Store) SendOfProviderID(ctx context.Context, sender, providerID string) (sendID, attemptID string, err error) {
	err = s.reader.row(ctx, selectProviderID, []any{clean(providerID), sender}, &sendID, &attemptID)
	return sendID, attemptID, err
}
