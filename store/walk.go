package store

import (
	"context"
	"errors"

	"github.com/odziv/odziv/survey"
)

const (
	walkFirst = 1_000   // ids that a list looks at first
	walkPart  = 64_000  // and at most with one statement
	walkMost  = 200_000 // and in all: what has none of what it looks for answers within a second all the same
)

// walk calls read for one part of the ids below a cursor after the other, newest first, until it has enough: what a list
// looks for may be rare, and no index knows it. A part has the ids from «from» on, and «below» is behind its last one; both may be "", where
// there is no bound. next is the id to go on from when as much was looked at as a call may, and "" at the end or when read had enough.
func (s *Store) walk(ctx context.Context, table, below string, read func(from, below string) (enough bool, err error)) (next string, err error) {
	for size, looked := min(walkFirst, s.walkMost), 0; ; size = min(4*size, walkPart) {
		from, err := s.idBelow(ctx, table, below, size)
		if err != nil {
			return "", err
		}
		enough, err := read(from, below)
		if err != nil || enough || from == "" {
			return "", err
		}
		if looked += size; looked >= s.walkMost {
			return from, nil
		}
		below = from
	}
}

// idBelow is the id so many places below another, or below all; "" when there are fewer.
func (s *Store) idBelow(ctx context.Context, table, below string, places int) (id string, err error) {
	var w where
	w.add("id < %s", below)
	err = s.reader.row(ctx, `SELECT id FROM `+table+` WHERE id <> ''`+w.text.String()+` ORDER BY id DESC`+w.limit(1)+w.offset(places-1), w.args, &id)
	if errors.Is(err, survey.ErrNotFound) {
		return "", nil
	}
	return id, err
}

// A list is a table that is read in pages, newest first.
type list[T any] struct {
	table, columns string
	wanted         func(*where)
	indexed        bool // an index knows what is wanted: there is no need to look in parts
	scan           func(scanner) (T, error)
	id             func(T) string
}

// page gives at most limit items below a cursor. next is "" at the end; where few are wanted among many, a page may have fewer than the
// limit, or none, and a next.
func (l *list[T]) page(ctx context.Context, s *Store, cursor string, limit int) (items []T, next string, err error) {
	read := func(from, below string) (enough bool, err error) {
		var w where
		l.wanted(&w)
		w.add("id >= %s", from)
		w.add("id < %s", below)
		text := `SELECT ` + l.columns + ` FROM ` + l.table + ` WHERE id <> ''` + w.text.String() + ` ORDER BY id DESC` + w.limit(limit+1-len(items))
		rows, err := s.reader.query(ctx, text, w.args...)
		err = each(rows, err, func(row scanner) error {
			item, err := l.scan(row)
			items = append(items, item)
			return err
		})
		return len(items) > limit, err
	}
	if l.indexed {
		_, err = read("", cursor)
	} else {
		next, err = s.walk(ctx, l.table, cursor, read)
	}
	if err != nil {
		return nil, "", err
	}
	items, next = cut(items, limit, next, l.id)
	return items, next, nil
}
