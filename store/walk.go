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
