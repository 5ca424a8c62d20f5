package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/odziv/odziv/survey"
)

const sqliteBusy = 5

// A pool lends connections for reading. What is read for every send goes through it: database/sql looks at every value
// twice more.
type pool struct {
	connect func(context.Context) (link, error)
	lent    chan struct{} // holds one for each connection in use
	idle    chan link
}

func newPool(size int, connect func(context.Context) (link, error)) *pool {
	return &pool{connect: connect, lent: make(chan struct{}, size), idle: make(chan link, size)}
}

// each runs a query. A connection that died while nobody used it is replaced once, before fn saw a row.
func (p *pool) each(ctx context.Context, key shaped, shape string, args []any, fn func(scanner) error) error {
	select {
	case p.lent <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.lent }()
	for fresh := false; ; fresh = true {
		l, err := p.take(ctx, fresh)
		if err != nil {
			return unanswered(fmt.Errorf("connect: %w", err))
		}
		seen := false
		err = l.each(ctx, key, shape, args, func(row scanner) error {
			seen = true
			return fn(row)
		})
		if l.good(err) {
			p.idle <- l // there is room: it holds as many as may be lent
			return err
		}
		l.close()
		if fresh || seen || ctx.Err() != nil {
			return unanswered(err)
		}
	}
}

// unanswered says of a fault that the database did not answer, when that is so.
func unanswered(err error) error {
	if err == nil || !lost(err) {
		return err
	}
	return fmt.Errorf("%w: %w", survey.ErrUnavailable, err)
}

// lost reports whether a fault is of the connection, or of a server that starts, stops or has no room, and not of a caller who did not wait.
//
// Source: https://www.postgresql.org/docs/current/errcodes-appendix.html, classes 08 and 57P, and 53300; https://www.sqlite.org/rescode.html,
// SQLITE_BUSY.
func lost(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "57P") || e.Code == "53300"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff == sqliteBusy
	}
	_, ok := errors.AsType[net.Error](err)
	return ok || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (p *pool) take(ctx context.Context, fresh bool) (link, error) {
	if !fresh {
		select {
		case l := <-p.idle:
			return l, nil
		default:
		}
	}
	return p.connect(ctx)
}

// close waits for what is lent.
func (p *pool) close() {
	for range cap(p.lent) {
		p.lent <- struct{}{}
	}
	for {
		select {
		case l := <-p.idle:
			l.close()
		default:
			return
		}
	}
}
