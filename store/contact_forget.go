package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/odziv/odziv/survey"
)

const (
	// forgetMark begins the names of the settings that say what is still to be looked for in the inbox.
	forgetMark = "inbox.forget."

	noteSearch     = `INSERT INTO settings (name, value, at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at`
	endSearch      = `DELETE FROM settings WHERE name = $1`
	selectSearches = `SELECT value FROM settings WHERE name LIKE 'inbox.forget.%'`

	selectInboxEnd = `SELECT id FROM inbox ORDER BY id DESC LIMIT 1`
	selectInboxRaw = `SELECT id, sender, endpoint, mode, url, header, body, at, result FROM inbox WHERE id < $1 ORDER BY id DESC LIMIT 500`

	// What is read is forgotten at once, what is not once it is read (forgetRead).
	forgetInbox  = `UPDATE inbox SET url = '', header = '', same_key = '', body = $2, forget = '' WHERE id = $1 AND result <> ''`
	forgetUnread = `UPDATE inbox SET forget = forget || $2 WHERE id = $1 AND length(result) = 0`
	forgetRead   = `UPDATE inbox SET url = '', header = '', same_key = '', body = $1, forget = '' WHERE forget <> '' AND result <> ''`

	selectForgetting = `SELECT forget FROM inbox WHERE forget <> '' AND length(result) = 0`
)

const (
	searchPart  = 500 // rows of selectInboxRaw
	searchSoon  = 20  // parts that an erasure looks through before it answers
	searchPause = time.Minute
)

// A search is for raw requests with one of a person's own addresses. That of an erasure is kept after its first part until it is
// over, so that no crash ends it.
type search struct {
	Name      string      `json:"name"` // of its setting
	Contact   string      `json:"contact"`
	Mode      survey.Mode `json:"mode"`
	Addresses []string    `json:"addresses"`
	Keys      []string    `json:"keys"`    // under which suppressions of the addresses are kept on
	Senders   []string    `json:"senders"` // of the attempts
	Heard     []string    `json:"heard"`   // ids that are known already
	Before    string      `json:"before"`  // the last id that was looked at: from the newest, which may be unread, to the oldest
}

// searchFor looks for a person in what has come until now.
func (s *Store) searchFor(ctx context.Context, tr *trace) (*search, error) {
	q := &search{
		Name: s.ids.New(forgetMark, s.now()), Contact: tr.ID, Mode: tr.Mode, Addresses: tr.mine, Senders: slices.Sorted(maps.Keys(tr.senders)), Heard: slices.Sorted(maps.Keys(tr.heard)),
	}
	for _, a := range tr.mine {
		q.Keys = append(q.Keys, s.erasedAddress(clean(a)))
	}
	if len(q.Addresses)+len(q.Heard) == 0 {
		return q, nil
	}
	latest := ""
	err := s.reader.row(ctx, selectInboxEnd, nil, &latest)
	switch {
	case errors.Is(err, survey.ErrNotFound):
		return q, nil
	case err != nil:
		return nil, fmt.Errorf("end of the inbox: %w", err)
	}
	q.Before = latest + "0" // behind that one, and before any other
	return q, nil
}

// next looks at one part of the inbox; more is false at the end.
func (s *Store) next(ctx context.Context, q *search) (found []survey.Inbound, more bool, err error) {
	n := 0
	rows, err := s.reader.query(ctx, selectInboxRaw, q.Before)
	err = each(rows, err, func(row scanner) error {
		var m survey.Inbound
		var header string
		var at int64
		if err := row.Scan(&m.ID, &m.Sender, &m.Endpoint, (*string)(&m.Mode), &m.URL, &header, &m.Body, &at, &m.Result); err != nil {
			return err
		}
		n, q.Before, m.At = n+1, m.ID, moment(at)
		_, heard := slices.BinarySearch(q.Heard, m.ID)
		if heard || q.mayHold(&m) && survey.Holds(slices.Concat(m.Body, []byte("\n"+m.URL+"\n"+header)), q.Addresses) {
			found = append(found, m)
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read the inbox: %w", err)
	}
	return found, n == searchPart, nil
}

// mayHold reports whether a raw request can be about the person. Those that providers make are of mode live, whatever they are
// about: of them a person of mode test has only what came to a sender that their sends went through, which is never a live one.
func (q *search) mayHold(m *survey.Inbound) bool {
	return m.Mode == q.Mode || q.Mode == survey.Test && slices.Contains(q.Senders, m.Sender)
}

// note keeps where a search is.
func (q *search) note(ctx context.Context, t *tx) error {
	text, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("encode search of the inbox: %w", err)
	}
	if err := t.later(ctx, noteSearch, q.Name, text, micros(time.Now())); err != nil {
		return fmt.Errorf("note search of the inbox: %w", err)
	}
	return nil
}

// forget looks at one part of the inbox and forgets what it finds there. After a fault the search stands where it stood.
func (s *Store) forget(ctx context.Context, q *search) (forgotten int, more bool, err error) {
	now := *q
	found, more, err := s.next(ctx, &now)
	if err != nil {
		return 0, false, err
	}
	err = s.other(ctx, func(ctx context.Context, t *tx) error {
		for _, m := range found {
			// Unread first: it waits for another gateway that is reading the request, and then it is read.
			err := t.later(ctx, forgetUnread, m.ID, strings.Join(q.Keys, " ")+" ")
			if err == nil {
				err = t.later(ctx, forgetInbox, m.ID, []byte{})
			}
			if err != nil {
				return fmt.Errorf("erase inbox: %w", err)
			}
		}
		if more {
			return now.note(ctx, t)
		}
		if err := t.later(ctx, endSearch, q.Name); err != nil {
			return fmt.Errorf("end search of the inbox: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	*q = now
	return len(found), more, nil
}

// forgetSoon forgets the first parts of what is looked for, and leaves the rest to forgetOn.
func (s *Store) forgetSoon(ctx context.Context, q *search) (forgotten int, pending bool, err error) {
	for range searchSoon {
		n, more, err := s.forget(ctx, q)
		if forgotten += n; err != nil || !more {
			return forgotten, more, err
		}
	}
	s.forgetOn(ctx, q)
	return forgotten, true, nil
}

// forgetOn goes on with a search until its end or that of the store. After a fault it waits, and tries again.
func (s *Store) forgetOn(ctx context.Context, q *search) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return
	}
	ctx = context.WithoutCancel(ctx)
	s.searches.Go(func() {
		for more := true; more; {
			var err error
			if _, more, err = s.forget(ctx, q); err == nil {
				continue
			}
			if errors.Is(err, ErrClosed) {
				return // forgetLeft goes on
			}
			s.log.WarnContext(ctx, "inbox not looked through, tried again", "contact_id", q.Contact, "error", err)
			select {
			case <-s.closing:
			case <-time.After(searchPause):
				more = true
			}
		}
	})
}

// forgetLeft goes on with what was not over when the store was closed last.
func (s *Store) forgetLeft(ctx context.Context) error {
	var left []*search
	rows, err := s.reader.query(ctx, selectSearches)
	err = each(rows, err, func(row scanner) error {
		var text []byte
		if err := row.Scan(&text); err != nil {
			return err
		}
		q := new(search)
		left = append(left, q)
		return json.Unmarshal(text, q)
	})
	if err != nil {
		return fmt.Errorf("searches of the inbox: %w", err)
	}
	for _, q := range left {
		s.forgetOn(ctx, q)
	}
	return nil
}

// hashForgotten puts suppressions of people who were erased before their last words were read under the key of the address.
func (s *Store) hashForgotten(ctx context.Context, t *tx, all []survey.Suppression) error {
	var keys []string
	err := t.each(ctx, shaped{text: selectForgetting}, "", nil, func(row scanner) error {
		var words string
		err := row.Scan(&words)
		keys = append(keys, strings.Fields(words)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("people who are being forgotten: %w", err)
	}
	if len(keys) == 0 {
		return nil
	}
	for i := range all {
		if key := s.erasedAddress(all[i].Address); slices.Contains(keys, key) {
			all[i].Address = key
		}
	}
	return nil
}
