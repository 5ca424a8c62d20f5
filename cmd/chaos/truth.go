package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// A sendRow, attemptRow and so on are what the store has, read without the gateway.
type sendRow struct {
	id, status, reason, lane, tx, phone string
	due, expires                        time.Time
}

type attemptRow struct {
	id, send, kind, sender, address, status, providerID, fault, code string
	step                                                             int
	at, updated                                                      time.Time
}

type eventRow struct {
	typ, data string
	at        time.Time
}

// A truth is everything that the store knows at the end.
type truth struct {
	sends    map[string]sendRow
	attempts map[string]attemptRow
	of       map[string][]attemptRow // by send, oldest first
	events   map[string][]eventRow   // by send, in order
	left     map[string]time.Time    // "channel address" → when it was suppressed
}

// database opens the store for reading.
func (w *world) database() (*sql.DB, error) {
	if w.dbURL != "" {
		return sql.Open("pgx", w.dbURL)
	}
	return sql.Open("sqlite", "file:"+filepath.Join(w.dir, "odziv.db")+"?_pragma=busy_timeout(10000)")
}

// pending counts the sends that are due until a moment, and the callbacks that nobody has understood. A database that restarts is asked again.
func (w *world) pending(ctx context.Context, until time.Time) (due, inbox int, err error) {
	db, err := w.database()
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM sends WHERE lane <> '' AND due_at <= $1`, until.UnixMicro()).Scan(&due)
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT count(*) FROM inbox WHERE result = ''`).Scan(&inbox)
	}
	return due, inbox, err
}

// truth reads the store.
func (w *world) truth(ctx context.Context) (*truth, error) {
	db, err := w.database()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	t := &truth{
		sends: map[string]sendRow{}, attempts: map[string]attemptRow{}, of: map[string][]attemptRow{}, events: map[string][]eventRow{},
		left: map[string]time.Time{},
	}
	for _, read := range []func(context.Context, *sql.DB) error{t.readSends, t.readAttempts, t.readEvents, t.readSuppressions} {
		if err := read(ctx, db); err != nil {
			return nil, fmt.Errorf("read the store: %w", err)
		}
	}
	return t, nil
}

// each calls fn for every row.
func each(ctx context.Context, db *sql.DB, query string, fn func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t *truth) readSends(ctx context.Context, db *sql.DB) error {
	return each(ctx, db, `SELECT id, status, reason, lane, transaction_id, phone, due_at, expires_at FROM sends`, func(rows *sql.Rows) error {
		var s sendRow
		var due, expires int64
		err := rows.Scan(&s.id, &s.status, &s.reason, &s.lane, &s.tx, &s.phone, &due, &expires)
		s.due, s.expires = time.UnixMicro(due), time.UnixMicro(expires)
		t.sends[s.id] = s
		return err
	})
}

func (t *truth) readAttempts(ctx context.Context, db *sql.DB) error {
	const query = `SELECT id, send_id, kind, step, sender, address, status, provider_id, fault, code, at, updated_at FROM attempts ORDER BY at, id`
	return each(ctx, db, query, func(rows *sql.Rows) error {
		var a attemptRow
		var at, updated int64
		err := rows.Scan(&a.id, &a.send, &a.kind, &a.step, &a.sender, &a.address, &a.status, &a.providerID, &a.fault, &a.code, &at, &updated)
		a.at, a.updated = time.UnixMicro(at), time.UnixMicro(updated)
		t.attempts[a.id] = a
		t.of[a.send] = append(t.of[a.send], a)
		return err
	})
}

func (t *truth) readEvents(ctx context.Context, db *sql.DB) error {
	return each(ctx, db, `SELECT send_id, type, data, at FROM events ORDER BY send_id, id`, func(rows *sql.Rows) error {
		var id string
		var e eventRow
		var at int64
		err := rows.Scan(&id, &e.typ, &e.data, &at)
		e.at = time.UnixMicro(at)
		t.events[id] = append(t.events[id], e)
		return err
	})
}

func (t *truth) readSuppressions(ctx context.Context, db *sql.DB) error {
	// A number that cannot be reached is on the list too; who wrote from it may be answered.
	return each(ctx, db, `SELECT channel, address, at FROM suppressions WHERE scope <> 'unreachable'`, func(rows *sql.Rows) error {
		var channel, address string
		var at int64
		err := rows.Scan(&channel, &address, &at)
		t.left[channel+" "+address] = time.UnixMicro(at)
		return err
	})
}

// has finds an event of a send.
func (t *truth) has(send string, types ...string) bool {
	for _, e := range t.events[send] {
		if slices.Contains(types, e.typ) {
			return true
		}
	}
	return false
}

// trail is the ledger of a send, with the seconds since it was accepted.
func (t *truth) trail(send string) string {
	events := t.events[send]
	parts := make([]string, len(events))
	for i, e := range events {
		parts[i] = fmt.Sprintf("%s+%.1f", e.typ, e.at.Sub(events[0].at).Seconds())
	}
	return strings.Join(parts, " ")
}

// about reports whether an event of a send names an attempt.
func (t *truth) about(send, typ, attempt string) bool {
	for _, e := range t.events[send] {
		if e.typ == typ && strings.Contains(e.data, attempt) {
			return true
		}
	}
	return false
}
