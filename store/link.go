package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A link is the connection of a writer, without database/sql in between: with it every value is looked at twice more,
// and each statement of a transaction costs PostgreSQL a round trip of its own.
type link interface {
	// later runs a statement at once or together with the next one; its fault may come with that one.
	later(ctx context.Context, key shaped, shape string, args []any) error
	// waits reports whether there is a statement whose fault may still come.
	waits() bool
	// exec gives the number of rows that changed.
	exec(ctx context.Context, key shaped, shape string, args []any) (int64, error)
	// execEach runs n statements with the values that add appends, and tells how many rows each changed. shape is of those that have one.
	execEach(ctx context.Context, shape string, n int, add func(args []any, i int) (shaped, []any), changed func(i int, n int64)) error
	// each calls fn for every row. fn must not use the link.
	each(ctx context.Context, key shaped, shape string, args []any, fn func(scanner) error) error
	commit(ctx context.Context) error
	rollback(ctx context.Context) error
	// good reports whether the link may be used again after a statement that ended with err.
	good(err error) bool
	close()
}

// A scanner is the present row of an answer.
type scanner interface{ Scan(dest ...any) error }

// A sqliteLink runs every statement at once: it is a call in this process.
type sqliteLink struct {
	conn  driver.Conn
	stmts map[shaped]sqliteStmt
	args  []driver.NamedValue
	rows  []any // of execEach
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func openSQLiteLink(d driver.Driver, dsn string) (*sqliteLink, error) {
	conn, err := d.Open(dsn)
	if err != nil {
		return nil, err
	}
	return &sqliteLink{conn: conn, stmts: map[shaped]sqliteStmt{}}, nil
}

func (l *sqliteLink) stmt(key shaped, shape string) (sqliteStmt, error) {
	if st, ok := l.stmts[key]; ok {
		return st, nil
	}
	prepared, err := l.conn.Prepare(unnumbered(key.expand(shape, false)))
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	st, ok := prepared.(sqliteStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("prepare: %T has no context", prepared), prepared.Close())
	}
	l.stmts[key] = st
	return st, nil
}

// unnumbered turns $1, $2 … into question marks where they come in order: SQLite keeps the names of the others, and
// the driver looks each up at every call.
func unnumbered(text string) string {
	var b strings.Builder
	parts := strings.Split(text, "$")
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		rest, ok := strings.CutPrefix(part, strconv.Itoa(i+1))
		if !ok || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return text
		}
		b.WriteString("?" + rest)
	}
	return b.String()
}

// named gives args as the driver wants them, good until the next call.
func (l *sqliteLink) named(args []any) []driver.NamedValue {
	l.args = l.args[:0]
	for i, a := range args {
		l.args = append(l.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return l.args
}

func (l *sqliteLink) later(ctx context.Context, key shaped, shape string, args []any) error {
	_, err := l.exec(ctx, key, shape, args)
	return err
}

func (l *sqliteLink) waits() bool { return false }

func (l *sqliteLink) exec(ctx context.Context, key shaped, shape string, args []any) (int64, error) {
	st, err := l.stmt(key, shape)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(ctx, l.named(args))
	clear(l.args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (l *sqliteLink) execEach(
	ctx context.Context, shape string, n int, add func([]any, int) (shaped, []any), changed func(int, int64),
) error {
	for i := range n {
		key, args := add(l.rows[:0], i)
		l.rows = args
		rows, err := l.exec(ctx, key, shape, args)
		clear(args)
		if err != nil {
			return err
		}
		changed(i, rows)
	}
	return nil
}

func (l *sqliteLink) each(ctx context.Context, key shaped, shape string, args []any, fn func(scanner) error) error {
	st, err := l.stmt(key, shape)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, l.named(args))
	clear(l.args)
	if err != nil {
		return err
	}
	values := make(values, len(rows.Columns()))
	for {
		if err = rows.Next(values); err != nil {
			break
		}
		if err = fn(values); err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, rows.Close())
}

func (l *sqliteLink) commit(ctx context.Context) error {
	return l.later(ctx, shaped{text: `COMMIT`}, "", nil)
}

func (l *sqliteLink) rollback(ctx context.Context) error {
	return l.later(ctx, shaped{text: `ROLLBACK`}, "", nil)
}

func (l *sqliteLink) good(error) bool { return true }

func (l *sqliteLink) close() {
	for _, st := range l.stmts {
		_ = st.Close()
	}
	_ = l.conn.Close()
}

// values are a row of SQLite.
type values []driver.Value

// Scan knows the types that this package scans into.
func (v values) Scan(dest ...any) error {
	if len(dest) != len(v) {
		return fmt.Errorf("scan %d columns into %d", len(v), len(dest))
	}
	for i, d := range dest {
		ok := false
		switch d := d.(type) {
		case *string:
			*d, ok = v[i].(string)
		case *int64:
			*d, ok = v[i].(int64)
		case *int:
			var n int64
			n, ok = v[i].(int64)
			*d = int(n)
		case *[]byte:
			*d, ok = v[i].([]byte)
		case *bool: // of an empty table's column, the driver does not know the type
			var n int64
			if *d, ok = v[i].(bool); !ok {
				n, ok = v[i].(int64)
				*d = n != 0
			}
		case *sql.NullInt64:
			ok = d.Scan(v[i]) == nil
		}
		if !ok {
			return fmt.Errorf("scan column %d: %T into %T", i, v[i], d)
		}
	}
	return nil
}

// A postgresLink sends what needs no answer together with the next statement that does: BEGIN goes with the first,
// all writes go with COMMIT.
type postgresLink struct {
	conn  *pgx.Conn
	names map[shaped]string // of prepared statements
	batch *pgx.Batch
}

func openPostgresLink(ctx context.Context, cfg *pgx.ConnConfig) (*postgresLink, error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l := &postgresLink{conn: conn, names: map[shaped]string{}, batch: &pgx.Batch{}}
	// Law 1: a commit that is answered is on disk, whatever the server's default is.
	var mode string
	if err = conn.QueryRow(ctx, `SELECT current_setting('synchronous_commit')`).Scan(&mode); err == nil && mode == "off" {
		_, err = conn.Exec(ctx, `SET synchronous_commit TO on`)
	}
	if err == nil {
		err = byIndex(ctx, conn)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return l, nil
}

func (l *postgresLink) queue(ctx context.Context, key shaped, shape string, args []any) error {
	name, ok := l.names[key]
	if !ok {
		name = "w" + strconv.Itoa(len(l.names))
		if _, err := l.conn.Prepare(ctx, name, key.expand(shape, true)); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		l.names[key] = name
	}
	l.batch.Queue(name, args...)
	return nil
}

func (l *postgresLink) later(ctx context.Context, key shaped, shape string, args []any) error {
	return l.queue(ctx, key, shape, slices.Clone(args))
}

func (l *postgresLink) waits() bool { return l.batch.Len() > 0 }

// send sends all that waits, and gives the answer to the last statement to fn.
func (l *postgresLink) send(ctx context.Context, fn func(pgx.BatchResults) error) error {
	batch := l.batch
	l.batch = &pgx.Batch{}
	results := l.conn.SendBatch(ctx, batch)
	for range batch.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			return errors.Join(err, results.Close())
		}
	}
	err := fn(results)
	if closed := results.Close(); err == nil {
		err = closed
	}
	return err
}

func (l *postgresLink) exec(ctx context.Context, key shaped, shape string, args []any) (n int64, err error) {
	if err := l.queue(ctx, key, shape, args); err != nil {
		return 0, err
	}
	err = l.send(ctx, func(results pgx.BatchResults) error {
		tag, err := results.Exec()
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

func (l *postgresLink) execEach(
	ctx context.Context, shape string, n int, add func([]any, int) (shaped, []any), changed func(int, int64),
) error {
	if n == 0 {
		return nil
	}
	before := l.batch.Len()
	for i := range n {
		key, args := add(nil, i)
		if err := l.queue(ctx, key, shape, args); err != nil {
			return err
		}
	}
	batch := l.batch
	l.batch = &pgx.Batch{}
	results := l.conn.SendBatch(ctx, batch)
	for i := range batch.Len() {
		tag, err := results.Exec()
		if err != nil {
			return errors.Join(err, results.Close())
		}
		if i >= before {
			changed(i-before, tag.RowsAffected())
		}
	}
	return results.Close()
}

func (l *postgresLink) each(ctx context.Context, key shaped, shape string, args []any, fn func(scanner) error) error {
	if err := l.queue(ctx, key, shape, args); err != nil {
		return err
	}
	return l.send(ctx, func(results pgx.BatchResults) error {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := fn(rows); err != nil {
				return err
			}
		}
		rows.Close()
		return rows.Err()
	})
}

func (l *postgresLink) commit(ctx context.Context) error {
	if err := l.queue(ctx, shaped{text: `COMMIT`}, "", nil); err != nil {
		return err
	}
	return l.send(ctx, func(results pgx.BatchResults) error {
		tag, err := results.Exec()
		if err == nil && tag.String() != "COMMIT" {
			err = pgx.ErrTxCommitRollback
		}
		return err
	})
}

func (l *postgresLink) rollback(ctx context.Context) error {
	l.batch = &pgx.Batch{}
	_, err := l.conn.Exec(ctx, `ROLLBACK`)
	return err
}

// good is careful: a statement whose plan fits the tables no more is prepared anew on another connection.
func (l *postgresLink) good(err error) bool { return err == nil && !l.conn.IsClosed() }

func (l *postgresLink) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx)
}
