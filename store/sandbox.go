package store

import (
	"context"

	"github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/survey"
)

const (
	insertSandboxMessage = `INSERT INTO sandbox_messages (id, phone, doc, at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING`

	selectSandboxMessages = `SELECT doc FROM sandbox_messages WHERE ($1 = '' OR phone = $1) AND id > $2 ORDER BY id LIMIT $3`
	selectSandboxMessage  = `SELECT doc FROM sandbox_messages WHERE id = $1`

	selectSandboxPhones = `SELECT phone FROM sandbox_messages GROUP BY phone ORDER BY max(id) DESC LIMIT 50`
)

// PutSandboxMessage shows a message on the phone To. ID and At are filled in; one with an id that is there changes
// nothing.
func (s *Store) PutSandboxMessage(ctx context.Context, m sandbox.Message) error {
	if m.At.IsZero() {
		m.At = s.now()
	}
	m.At = stored(m.At)
	if m.ID == "" {
		m.ID = s.ids.New(survey.MessagePrefix, m.At)
	}
	m.To = clean(m.To)
	doc, err := encodeJSON(m)
	if err != nil {
		return err
	}
	return s.other(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, insertSandboxMessage, m.ID, m.To, doc, micros(m.At))
		return err
	})
}

// SandboxMessages lists the messages of a phone, "" for all phones, after the message after ("" is the start), oldest first.
func (s *Store) SandboxMessages(ctx context.Context, to, after string, limit int) ([]sandbox.Message, error) {
	var items []sandbox.Message
	rows, err := s.reader.query(ctx, selectSandboxMessages, clean(to), after, int64(page(limit)))
	err = each(rows, err, func(row scanner) error {
		var doc string
		if err := row.Scan(&doc); err != nil {
			return err
		}
		items = append(items, sandbox.Message{})
		return decodeJSON(doc, &items[len(items)-1])
	})
	return items, err
}

// SandboxMessage gives one message; survey.ErrNotFound when there is none.
func (s *Store) SandboxMessage(ctx context.Context, id string) (sandbox.Message, error) {
	var m sandbox.Message
	var doc string
	err := s.reader.row(ctx, selectSandboxMessage, []any{id}, &doc)
	if err == nil {
		err = decodeJSON(doc, &m)
	}
	return m, err
}

// SandboxPhones lists the phones that got messages, the latest first, at most 50.
func (s *Store) SandboxPhones(ctx context.Context) ([]string, error) {
	var phones []string
	rows, err := s.reader.query(ctx, selectSandboxPhones)
	err = each(rows, err, func(row scanner) error {
		var phone string
		err := row.Scan(&phone)
		phones = append(phones, phone)
		return err
	})
	return phones, err
}

const (
	selectLatestSandboxMessages   = `SELECT doc FROM sandbox_messages ORDER BY id DESC LIMIT $1`
	selectLatestSandboxMessagesOf = `SELECT doc FROM sandbox_messages WHERE phone = $2 ORDER BY id DESC LIMIT $1`
)

// LatestSandboxMessages lists the messages of a phone, "" for all phones, newest first.
func (s *Store) LatestSandboxMessages(ctx context.Context, to string, limit int) ([]sandbox.Message, error) {
	query, args := selectLatestSandboxMessages, []any{int64(page(limit))}
	if to != "" {
		query, args = selectLatestSandboxMessagesOf, append(args, clean(to))
	}
	var items []sandbox.Message
	rows, err := s.reader.query(ctx, query, args...)
	err = each(rows, err, func(row scanner) error {
		var doc string
		if err := row.Scan(&doc); err != nil {
			return err
		}
		items = append(items, sandbox.Message{})
		return decodeJSON(doc, &items[len(items)-1])
	})
	return items, err
}
