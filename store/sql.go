package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/odziv/odziv/survey"
)

// ladder has the numbers of rows that multi-row statements are made for: any number of rows is a sum of few of
// them, and each is prepared once a connection.
func ladder(n int) int {
	for _, size := range [...]int{128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2} {
		if n >= size {
			return size
		}
	}
	return 1
}

// ladderUp is the least size of the ladder that holds n, or its greatest.
func ladderUp(n int) int {
	for _, size := range [...]int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96} {
		if n <= size {
			return size
		}
	}
	return 128
}

// expand puts the placeholders of n rows in the place of %s. shape has one byte a column; in the first row, n marks
// a number whose type PostgreSQL cannot see by itself. One column makes a list, more make rows of VALUES. Other placeholders come before %s.
//
// SQLite gets bare question marks: it keeps a list of numbered ones, and looks each up in it one by one.
func expand(text, shape string, n int, postgres bool) string {
	var b strings.Builder
	before := strings.Count(text, "$")
	for row := range n {
		if row > 0 {
			b.WriteByte(',')
		}
		if len(shape) > 1 {
			b.WriteByte('(')
		}
		for col := range len(shape) {
			if col > 0 {
				b.WriteByte(',')
			}
			place := "?"
			if postgres {
				place = "$" + strconv.Itoa(before+row*len(shape)+col+1)
			}
			if row == 0 && shape[col] == 'n' {
				place = "CAST(" + place + " AS BIGINT)"
			}
			b.WriteString(place)
		}
		if len(shape) > 1 {
			b.WriteByte(')')
		}
	}
	return strings.Replace(text, "%s", b.String(), 1)
}

// A querier reads, inside a transaction or outside of any.
type querier interface {
	each(ctx context.Context, key shaped, shape string, args []any, fn func(scanner) error) error
}

// each calls fn for every row.
func each(rows *sql.Rows, err error, fn func(scanner) error) error {
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return unanswered(rows.Err())
}

// one scans the only row; survey.ErrNotFound when there is none.
func one(ctx context.Context, q querier, text string, args []any, dest ...any) error {
	found := false
	err := q.each(ctx, shaped{text: text}, "", args, func(row scanner) error {
		if found {
			return nil
		}
		found = true
		return row.Scan(dest...)
	})
	if err == nil && !found {
		return survey.ErrNotFound
	}
	return err
}

// in runs a SELECT … IN (%s) for any number of values, in portions, and calls fn for every row.
func in(ctx context.Context, q querier, text string, values []string, fn func(scanner) error) error {
	return inAfter(ctx, q, text, nil, values, fn)
}

// inAfter is in for a text with other placeholders before the list.
func inAfter(ctx context.Context, q querier, text string, before []any, values []string, fn func(scanner) error) error {
	for len(values) > 0 {
		n := min(len(values), 128)
		size := ladderUp(n)
		args := append(make([]any, 0, len(before)+size), before...)
		for i := range size {
			args = append(args, values[min(i, n-1)]) // filled up with the last: a list may hold it twice
		}
		if err := q.each(ctx, shaped{text, size}, "t", args, fn); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// A reader runs queries outside of transactions, each prepared once.
type reader struct {
	db       *sql.DB
	pool     *pool // for each, one and in
	postgres bool
	mu       sync.Mutex
	stmts    map[shaped]*sql.Stmt // guarded by mu
}

// A shaped is a statement for a number of rows; 0 for a text without %s.
type shaped struct {
	text string
	rows int
}

func (key shaped) expand(shape string, postgres bool) string {
	if key.rows == 0 {
		return key.text
	}
	return expand(key.text, shape, key.rows, postgres)
}

func (r *reader) stmt(ctx context.Context, key shaped, shape string) (*sql.Stmt, error) {
	r.mu.Lock()
	st, ok := r.stmts[key]
	r.mu.Unlock()
	if ok {
		return st, nil
	}
	st, err := r.db.PrepareContext(ctx, key.expand(shape, r.postgres)) // not under mu: a database that hangs must hold up its callers only
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.stmts[key]; ok { // another was faster
		return other, st.Close() //nolint:sqlclosecheck // of one that is not used
	}
	if r.stmts == nil {
		r.stmts = map[shaped]*sql.Stmt{}
	}
	r.stmts[key] = st
	return st, nil
}

func (r *reader) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return r.rows(ctx, shaped{text: text}, "", args)
}

func (r *reader) rows(ctx context.Context, key shaped, shape string, args []any) (*sql.Rows, error) {
	cleanArgs(args)
	st, err := r.stmt(ctx, key, shape) //nolint:sqlclosecheck // kept for the next call
	if err != nil {
		return nil, unanswered(err)
	}
	rows, err := st.QueryContext(ctx, args...)
	return rows, unanswered(err)
}

func (r *reader) each(ctx context.Context, key shaped, shape string, args []any, fn func(scanner) error) error {
	cleanArgs(args)
	return r.pool.each(ctx, key, shape, args, fn)
}

// cleanArgs makes what is looked for the same as what is kept. An id may come from anybody's URL.
func cleanArgs(args []any) {
	for i, a := range args {
		if text, ok := a.(string); ok {
			if cleaned := clean(text); cleaned != text {
				args[i] = cleaned
			}
		}
	}
}

func (r *reader) row(ctx context.Context, text string, args []any, dest ...any) error {
	return one(ctx, r, text, args, dest...)
}

func (r *reader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, st := range r.stmts {
		_ = st.Close()
	}
	r.stmts = nil
	r.pool.close()
}

// A tx is the writer's connection inside a transaction.
type tx struct {
	link    link
	dialect dialect
	buffer  []any
	fresh   []contact // of this transaction
	kept    []contact // of those before
	wrote   bool      // this transaction wrote both, or left them to behind
	behind  backlog   // as of this transaction
}

func (t *tx) each(ctx context.Context, key shaped, shape string, args []any, fn func(scanner) error) error {
	cleanArgs(args)
	return t.link.each(ctx, key, shape, args, fn)
}

// exec gives the number of rows that changed.
func (t *tx) exec(ctx context.Context, text string, args ...any) (int64, error) {
	cleanArgs(args)
	return t.link.exec(ctx, shaped{text: text}, "", args)
}

// later is exec for which it does not matter how many rows changed.
func (t *tx) later(ctx context.Context, text string, args ...any) error {
	cleanArgs(args)
	return t.link.later(ctx, shaped{text: text}, "", args)
}

// insert runs a multi-row statement for the rows 0 to n-1, in portions; add appends the values of row i, one for
// each byte of shape. short, when not nil, is called for a portion of which not every row was taken, after all of them.
func (t *tx) insert(ctx context.Context, text, shape string, n int, add func(args []any, i int) []any, short func(from, to int, taken int64) error) error {
	parts := portions(n)
	rows := func(args []any, i int) (shaped, []any) {
		for row := parts[i].from; row < parts[i].to; row++ {
			args = add(args, row)
		}
		return shaped{text, parts[i].to - parts[i].from}, args
	}
	if short == nil {
		for i := range parts {
			key, args := rows(t.buffer[:0], i)
			t.buffer = args
			err := t.link.later(ctx, key, shape, args)
			clear(args)
			if err != nil {
				return err
			}
		}
		return nil
	}
	taken := make([]int64, len(parts))
	err := t.link.execEach(ctx, shape, len(parts), rows, func(i int, n int64) { taken[i] = n })
	for i, p := range parts {
		if err == nil && taken[i] < int64(p.to-p.from) {
			err = short(p.from, p.to, taken[i])
		}
	}
	return err
}

// insertReturning is insert for statements that answer with rows, and for which it makes no difference when a row is there twice.
func (t *tx) insertReturning(ctx context.Context, text, shape string, n int, add func(args []any, i int) []any, fn func(scanner) error) error {
	for from := 0; from < n; {
		size := ladder(n - from)
		if t.dialect.postgres { // filled up with the last row: a round trip costs more
			size = ladderUp(n - from)
		}
		args := t.buffer[:0]
		for i := from; i < from+size; i++ {
			args = add(args, min(i, n-1))
		}
		t.buffer, from = args, from+size
		err := t.each(ctx, shaped{text, size}, shape, args, fn)
		clear(args)
		if err != nil {
			return err
		}
	}
	return nil
}

// A portion is some rows of a multi-row statement.
type portion struct{ from, to int }

// portions divides n rows into as many as statements are made for.
func portions(n int) []portion {
	var parts []portion
	for from := 0; from < n; {
		to := from + ladder(n-from)
		parts, from = append(parts, portion{from, to}), to
	}
	return parts
}

// notFound turns a change of no row into survey.ErrNotFound.
func notFound(n int64, err error) error {
	if err == nil && n == 0 {
		return survey.ErrNotFound
	}
	return err
}

// protect turns a panic of a caller's function into an error: the writer serves others too.
func protect(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(err, fmt.Errorf("panic: %v", p))
		}
	}()
	return fn()
}
